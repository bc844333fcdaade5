"""System calls that fail: strace makes every Nth call of one kind return an error (inject=).

Rules of this file: what an injection did is counted from strace's own lines, so that a call that a
server never makes is not taken for one that it bears.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import random
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from fivefold.compare.measure.servers import Running
from fivefold.load.expected_answers import HOST
from fivefold.load.generator import Generator
from fivefold.load.job import Ask, Expected, Group, Job, request
from support.process_tree import descendants_of, open_files

from .ends import ended_well
from .outcome import Outcome, Trial
from .servers import FRESH, KEPT, PATIENCE_S, WORKERS, answers, program, up, wait_until

CALLS = {
    "accept": "accept4",
    "recv": "recvfrom,recvmsg",
    "send": "sendto,sendmsg",
    "sendfile": "sendfile",
    "openat2": "openat2",
    "fstat": "fstat,newfstatat",
    "epoll_ctl": "epoll_ctl",
    "epoll_wait": "epoll_wait,epoll_pwait,epoll_pwait2",
    "io_uring_enter": "io_uring_enter",
    "fork": "fork,vfork,clone,clone3",
    "pipe2": "pipe2",
    "mmap": "mmap",
}
"""What the C library makes of each."""

ERRORS = ("EINTR", "EAGAIN", "ENOMEM", "EIO", "EMFILE", "ECONNRESET")
EVERY = 5
RARE, EVERY_RARE = {"fork", "pipe2", "openat2"}, 2
"""Of these each process makes a few in a trial: every fifth would be none."""

FULL_SECONDS = 0.5
"""With each of the combinations."""

SHARE = 3
"""Each server is tried with every third combination; its neighbours in the table with others."""

FILES, FILE_BYTES = 20, 300_000
"""More than one answer with sendfile(2) takes, and several to open."""

ALLOWED = {"reset", "connect", "status"}
"""What a clean end looks like: the connection ends, or an answer says 4xx or 5xx."""


@contextlib.contextmanager
def failing(running: Running, call: str, error: str, every: int) -> Iterator[list[str]]:
    """Every Nth `call` of each process and thread fails with `error`, until the block ends. The
    list has a line for each call that failed, then."""
    pids = [running.pid, *descendants_of(running.pid)]
    injected: list[str] = []
    calls = CALLS[call]
    with tempfile.NamedTemporaryFile("r", errors="replace") as log:
        command = [program("strace", "strace"), "-f", "-qq", "-o", log.name, "-e", f"trace={calls}"]
        command += ["-e", f"inject={calls}:error={error}:when={every}+{every}"]
        command += [word for pid in pids for word in ("-p", str(pid))]
        tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: tracer.poll() is not None or traced(pids), "strace attaches")
            if tracer.poll() is not None:
                raise RuntimeError(f"strace has ended with {tracer.returncode}: {log.read()}")
            yield injected
        finally:
            tracer.send_signal(signal.SIGINT)  # it lets go of them; SIGKILL would leave them so
            try:
                tracer.wait(PATIENCE_S)
            finally:
                tracer.kill()  # of one that has ended nothing is left to kill
                tracer.wait()
            injected += [line for line in log if "(INJECTED)" in line]


def traced(pids: list[int]) -> bool:
    found = []
    for pid in pids:
        with contextlib.suppress(OSError):
            found.append("TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text())
    return all(found)


def descriptors(running: Running, but: str = "/dev/null/") -> int:
    """Those open in all processes, without files of the folder `but`, which a cache may keep."""
    members = [running.pid, *descendants_of(running.pid)]
    return sum(not name.startswith(but) for pid in members for name in open_files(pid))


def files(folder: Path) -> tuple[Ask, ...]:
    """Asks for files of a folder that is served, each known by its hash."""
    asks = []
    for number in range(FILES):
        content = random.Random(number).randbytes(FILE_BYTES)
        (folder / f"{number}").write_bytes(content)
        right = Expected(200, FILE_BYTES, hashlib.sha256(content).digest())
        asks.append(Ask(request(f"/files/{number}", host=HOST), right))
    return tuple(asks)


def combinations(trial: Trial) -> list[tuple[str, str]]:
    """Those of this server; fewer where the time is short, from all over the list."""
    every = list(itertools.product(CALLS, ERRORS))
    random.Random(7).shuffle(every)
    step = max(SHARE, round(SHARE / trial.share))
    return every[sum(trial.server.encode()) % SHARE :: step]


class Trials:
    """One after the other, with one server and one generator."""

    def __init__(self, running: Running, asks: tuple[Ask, ...], outcome: Outcome) -> None:
        self._running, self._outcome = running, outcome
        self.groups = (
            Group("scheduled", 4, (KEPT,), rate=100.0),
            Group("scheduled", 2, asks, rate=40.0),
            Group("fresh", 1, (FRESH,)),
        )
        self.failed: Counter[str] = Counter()
        self.answered = self.ends = 0

    def one(self, generator: Generator, call: str, error: str) -> None:
        """This call fails with this error, among requests and a reload; it heals afterwards."""
        every = EVERY_RARE if call in RARE else EVERY
        with failing(self._running, call, error, every) as injected:
            generator.prepare(Job(self._running.address, FULL_SECONDS, self.groups))
            generator.go()
            os.kill(self._running.pid, signal.SIGHUP)
            tally = generator.collect()
        self.failed[call] += len(injected)
        self.answered += tally.requests
        self.ends += tally.lost + sum(tally.errors.values())
        wrong = set(tally.errors) - ALLOWED
        self._outcome.must(not wrong, f"{call} {error}: {dict(tally.errors)}")
        status = self._running.process.poll()
        if status is not None:
            raise RuntimeError(f"{call} {error} ended it: {status}, {self._running.last_words()}")
        try:
            wait_until(lambda: answers(self._running.address, timeout=1), "an answer", 15)
        except TimeoutError:
            self._outcome.missed.append(f"{call} {error}: no answer afterwards")


def injected(trial: Trial) -> Outcome:
    """Each call with each error, under load; a reload, which forks, in the middle of each."""
    outcome, wanted = Outcome(), combinations(trial)
    asks = files(trial.folder)
    mount = ("--mount", f"/files={trial.folder}")
    with up(trial.server, *mount) as running, Generator() as generator:
        trials = Trials(running, asks, outcome)
        generator.run(Job(running.address, 0.5, trials.groups))
        served = str(trial.folder)
        before = descriptors(running, served)
        for call, error in wanted:
            trials.one(generator, call, error)
        with contextlib.suppress(TimeoutError):
            wait_until(lambda: descriptors(running, served) <= before + WORKERS, "their end", 10)
        left = descriptors(running, served) - before
        tried = {call for call, _ in wanted}
        outcome.figures = {
            "combinations": str(len(wanted)),
            "failed calls": f"{trials.failed.total():,}",
            "never made": " ".join(sorted(tried - set(+trials.failed))) or "none",
            "answered": f"{trials.answered:,}",
            "clean ends": str(trials.ends),
            "descriptors left": str(left),
        }
        outcome.must(trials.failed.total() > 0, "no call has failed")
        outcome.must(trials.answered > 0, "no request was answered")
        outcome.must(left <= WORKERS, f"{left} descriptors left")
        ended_well(running, outcome)
    return outcome
