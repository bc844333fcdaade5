"""The same thing a thousand times: what is left of it, and whether the server grows."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter

from fivefold.compare.measure.servers import Running
from fivefold.linux.accounting import entries
from support.process_tree import descendants_of, is_alive

from .ends import ended_well
from .injected import descriptors
from .limits import pss_kib
from .outcome import Outcome, Trial
from .servers import answers, stopped, tasks, up, wait_until, workers
from .steady import loaded

BYTES_PER_REQUEST = 1.0
REQUESTS = 1_000_000
RELOADS = 500
STARTS = 1000


def of_session(pid: int) -> list[int]:
    return [entry.pid for entry in entries() if entry.session == pid]


def starts(trial: Trial) -> Outcome:
    """Start, one answer, SIGTERM."""
    outcome, count, left = Outcome(), 0, 0
    wanted = max(1, int(STARTS * trial.share))
    path = trial.folder / "socket"
    end = time.monotonic() + trial.seconds
    while count < wanted and time.monotonic() < end and not outcome.missed:
        with up(trial.server, "--bind", f"unix:{path}") as running:
            status = stopped(running)
            outcome.must(status == 0, f"cycle {count} ended with {status}")
            left += len(of_session(running.pid)) + path.exists()
        count += 1
    outcome.figures = {"cycles": str(count), "processes and sockets left": str(left)}
    outcome.must(count == wanted, f"{count} of {wanted} cycles")
    outcome.must(not left, f"{left} processes and socket files left")
    return outcome


def reloads(trial: Trial) -> Outcome:
    """SIGHUP, as soon as the last one's workers are there."""
    outcome, count, wanted = Outcome(), 0, max(1, int(RELOADS * trial.share))
    with up(trial.server) as running:
        for _ in range(3):
            renewed(running)
        before, held = pss_kib(running), everything(running)
        end = time.monotonic() + trial.seconds
        while time.monotonic() < end and count < wanted:
            renewed(running)
            count += 1
        answers(running.address)
        grown = (pss_kib(running) - before) * 1024 / max(count, 1)
        left = everything(running) - held
        outcome.figures = {
            "reloads": str(count),
            "grown by": f"{grown:.0f} bytes each",
            "left": counted(left),
        }
        outcome.must(count == wanted, f"{count} of {wanted} reloads")
        outcome.must(left.total() <= 2, f"left: {counted(left)}")
        ended_well(running, outcome)
    return outcome


def everything(running: Running) -> Counter[str]:
    """What could be left of a process."""
    pids = [running.pid, *descendants_of(running.pid)]
    return Counter(
        descriptors=descriptors(running),
        threads=sum(len(tasks(pid)) for pid in pids),
        processes=len(pids),
        zombies=sum(not is_alive(pid) for pid in pids),
    )


def counted(left: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in left.items()) or "nothing"


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
        before, held = pss_kib(running), everything(running)
        wanted = int(REQUESTS * trial.share)
        count, end = 0, time.monotonic() + trial.seconds
        while count < wanted and time.monotonic() < end:
            count += loaded(running.address, min(10.0, trial.seconds)).requests
        slope = (pss_kib(running) - before) * 1024 / count
        left = everything(running) - held
        outcome.figures = {
            "requests": f"{count:,}",
            "memory": f"{slope:+.2f} bytes a request",
            "left": counted(left),
        }
        outcome.must(count >= wanted, f"{count:,} of {wanted:,} requests")
        # A page more of a shortened trial is no slope.
        allowed = max(BYTES_PER_REQUEST * count, 1 << 20) / count
        outcome.must(slope < allowed, f"{slope:.2f} bytes a request")
        outcome.must(not left, f"left: {counted(left)}")
        ended_well(running, outcome)
    return outcome
