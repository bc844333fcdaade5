"""System calls that fail: strace makes every Nth call of one kind return an error (inject=)."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from fivefold.compare.measure.servers import Running
from support.process_tree import descendants_of

from .ends import ended_well
from .outcome import Outcome, Trial
from .servers import WORKERS, answers, up, wait_until
from .steady import MODEST, loaded

CALLS = (
    *("accept4", "recvfrom", "sendto", "sendfile", "openat2", "fstat", "epoll_ctl", "epoll_wait"),
    *("io_uring_enter", "clone", "pipe2", "mmap"),
)
"""By the names that the kernel has for recv, send and fork."""

ERRORS = ("EINTR", "EAGAIN", "ENOMEM", "EIO", "EMFILE", "ECONNRESET")
EVERY = 5
FULL_SECONDS = 0.5
"""With each of the combinations."""


@contextlib.contextmanager
def failing(running: Running, call: str, error: str) -> Iterator[None]:
    """Every Nth `call` of each process and thread fails with `error`, until the block ends."""
    pids = [running.pid, *descendants_of(running.pid)]
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    command += ["-e", f"inject={call}:error={error}:when={EVERY}+{EVERY}"]
    command += [word for pid in pids for word in ("-p", str(pid))]
    tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: tracer.poll() is not None or traced(pids), "strace attaches")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)  # it lets go of them; SIGKILL would leave them stopped
        tracer.wait()


def traced(pids: list[int]) -> bool:
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            found.append("TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text())
    return all(found)


def descriptors(running: Running) -> int:
    count = 0
    for pid in (running.pid, *descendants_of(running.pid)):
        with contextlib.suppress(OSError):
            count += len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return count


def injected(trial: Trial) -> Outcome:
    """Each call with each error, under load; a reload, which forks, in the middle of each."""
    outcome = Outcome()
    combinations = list(itertools.product(CALLS, ERRORS))
    # A shortened trial takes as many as its time has room for, from all over the list.
    step = max(1, round(1 / trial.share))
    answered = lost = 0
    wrong: list[str] = []
    with up(trial.server) as running:
        loaded(running.address, 1.0, groups=MODEST)
        before = descriptors(running)
        for call, error in combinations[::step]:
            with failing(running, call, error):
                tally = loaded(running.address, FULL_SECONDS, lambda s: reload(running, s), MODEST)
            answered += tally.requests
            lost += tally.lost
            if set(tally.errors) - {"reset", "connect", "status"}:
                wrong.append(f"{call} {error}: {dict(tally.errors)}")
            if running.process.poll() is not None:
                outcome.missed.append(f"{call} {error} ended it: {running.last_words()}")
                return outcome
            try:
                wait_until(lambda: answers(running.address, timeout=1), "an answer", 15)
            except TimeoutError:
                outcome.missed.append(f"{call} {error}: no answer afterwards")
        time.sleep(1)
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: descriptors(running) <= before + WORKERS, "their end", 10)
        left = descriptors(running) - before
        outcome.figures = {
            "combinations": str(len(combinations[::step])),
            "answered": f"{answered:,}",
            "clean ends": str(lost),
            "descriptors left": str(left),
        }
        outcome.must(not wrong, "; ".join(wrong))
        outcome.must(left <= WORKERS, f"{left} descriptors left")
        ended_well(running, outcome)
    return outcome


def reload(running: Running, seconds: float) -> None:
    os.kill(running.pid, signal.SIGHUP)
    time.sleep(seconds)
