"""The same thing a thousand times: what is left of it, and whether the server grows."""

from __future__ import annotations

import os
import signal
import time

from fivefold.compare.measure.servers import Running
from fivefold.linux.accounting import entries
from support.process_tree import descendants_of

from .ends import ended_well
from .injected import descriptors
from .limits import pss_kib
from .outcome import Outcome, Trial
from .servers import answers, stopped, up, wait_until, workers
from .steady import loaded

BYTES_PER_REQUEST = 1.0
REQUESTS = 1_000_000
RELOADS = 500


def of_session(pid: int) -> list[int]:
    return [entry.pid for entry in entries() if entry.session == pid]


def starts(trial: Trial) -> Outcome:
    """Start, one answer, SIGTERM; as often as the time has room for."""
    outcome, count, left = Outcome(), 0, 0
    path = trial.folder / "socket"
    end = time.monotonic() + trial.seconds
    while time.monotonic() < end and not outcome.missed:
        with up(trial.server, "--bind", f"unix:{path}") as running:
            status = stopped(running)
            outcome.must(status == 0, f"cycle {count} ended with {status}")
            left += len(of_session(running.pid)) + path.exists()
        count += 1
    outcome.figures = {"cycles": str(count), "processes and sockets left": str(left)}
    outcome.must(not left, f"{left} processes and socket files left")
    return outcome


def reloads(trial: Trial) -> Outcome:
    """SIGHUP, as soon as the last one's workers are there."""
    outcome, count, wanted = Outcome(), 0, max(1, int(RELOADS * trial.share))
    with up(trial.server) as running:
        for _ in range(3):
            renewed(running)
        before, held = pss_kib(running), descriptors(running)
        end = time.monotonic() + trial.seconds
        while time.monotonic() < end and count < wanted:
            renewed(running)
            count += 1
        answers(running.address)
        grown = (pss_kib(running) - before) * 1024 / max(count, 1)
        left = descriptors(running) - held
        outcome.figures = {
            "reloads": str(count),
            "grown by": f"{grown:.0f} bytes each",
            "descriptors left": str(left),
            "processes": str(len(descendants_of(running.pid))),
        }
        outcome.must(left <= 2, f"{left} descriptors left")
        ended_well(running, outcome)
    return outcome


def renewed(running: Running) -> None:
    """A reload, until none of the old workers is there."""
    old = set(workers(running))
    os.kill(running.pid, signal.SIGHUP)
    wait_until(lambda: (new := set(workers(running))) and not new & old, "new workers")
    wait_until(lambda: answers(running.address), "an answer")


def requests(trial: Trial) -> Outcome:
    """A million requests: the slope of memory after the first tenth."""
    outcome = Outcome()
    with up(trial.server) as running:
        loaded(running.address, trial.seconds / 10)
        before, held = pss_kib(running), descriptors(running)
        count, end = 0, time.monotonic() + trial.seconds
        while count < REQUESTS * trial.share and time.monotonic() < end:
            count += loaded(running.address, min(10.0, trial.seconds)).requests
        slope = (pss_kib(running) - before) * 1024 / count
        left = descriptors(running) - held
        outcome.figures = {
            "requests": f"{count:,}",
            "memory": f"{slope:+.2f} bytes a request",
            "descriptors left": str(left),
        }
        # A page more of a shortened trial is no slope.
        allowed = max(BYTES_PER_REQUEST * count, 1 << 20) / count
        outcome.must(slope < allowed, f"{slope:.2f} bytes a request")
        outcome.must(left <= 0, f"{left} descriptors left")
        ended_well(running, outcome)
    return outcome
