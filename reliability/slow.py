"""Clients that hold connections by saying or taking little: slowhttptest, 2,000 connections.

Facts.        With its default deadlines a server ends such a client after 20 to 60 s.
Choice.       The limits of connections are the defaults; the deadlines are `DEADLINE_S`, so that
              a trial ends: what is looked at is that they hold, whatever they are.
Assumption.   A connection that a server has ended shows at the server: none of the attack's is
              left there when it must be gone.  slowhttptest's own word is asked for as well.
"""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fivefold.compare.measure.servers import Running
from fivefold.serving import MODELS

from .ends import ended_well
from .limits import SLOWER, SLOWER_MS
from .outcome import Outcome, Trial
from .servers import WORKERS, program, ss, up, wait_until
from .steady import MODEST, loaded, p99_ms

CONNECTIONS = 2000
RATE = 1000
"""New ones in a second."""

ENOUGH = 0.9
"""Of them, at once: the first may be over before the last is made."""

DEADLINE_S = 8
LATE_S = 2.0
"""A look at the deadlines once a second, and the ends of 2,000 connections."""

WAYS = {
    "slowloris": ("-H", "-i", "1"),
    "slow body": ("-B", "-i", "20", "-s", "100000"),
    "slow read": ("-X", "-w", "1", "-y", "16", "-n", "20", "-z", "1", "-k", "1"),
}
"""A head that does not end; a body that pauses for longer than `--body-s` (one that drips faster is
borne, as by nginx); an answer that is not taken.  slowhttptest drips into all connections at once,
also into one that it made a moment ago: so the pause is as long as its making and a deadline."""

PATHS = {"slowloris": "/", "slow body": "/length", "slow read": "/large"}


def deadlines() -> tuple[str, ...]:
    names = ("first-byte", "head", "body", "send", "keep-alive")
    return tuple(word for name in names for word in (f"--{name}-s", str(DEADLINE_S)))


@contextmanager
def attacking(trial: Trial, running: Running, way: str) -> Iterator[None]:
    """slowhttptest, until the block ends."""
    command = ["chrt", "--other", "0"]  # what servers and clients leave, under `--real-time`
    command += ["prlimit", "--nofile=8192:", program("slowhttptest", "slowhttptest"), *WAYS[way]]
    command += ["-c", str(CONNECTIONS), "-r", str(RATE), "-p", "20", "-l", "240"]
    command += ["-u", "http://{}:{}{}".format(*running.address, PATHS[way])]
    with (trial.folder / "attack").open("wb") as log:
        attack = subprocess.Popen(command, stdout=log, stderr=log, cwd=trial.folder)
    try:
        yield
    finally:
        attack.kill()
        attack.wait()


def open_at(running: Running) -> int:
    """Connections of clients, those that nobody has accepted yet among them. What the kernel still
    has to deliver of closed ones (FIN-WAIT-1) is no longer the server's."""
    state = ("state", "established", "state", "close-wait")
    return ss(*state, f"sport = :{running.port}").count("\n")


class Attack:
    """One way: how many there were at once, and how long the last of them stayed."""

    def __init__(self, trial: Trial, running: Running, way: str, batches: int) -> None:
        self._trial, self._running, self._way = trial, running, way
        self._most_s = batches * DEADLINE_S + LATE_S
        self.most = self.left = 0
        self.gone_s = 0.0

    def go(self, _: float) -> None:
        others = sum(group.count for group in MODEST)
        with attacking(self._trial, self._running, self._way):
            begun = time.monotonic()
            while self.most < CONNECTIONS and time.monotonic() < begun + DEADLINE_S:
                self.most = max(self.most, open_at(self._running) - others)
                time.sleep(0.05)
            # Those that it has still to make have their time as well.
            ramp_s = time.monotonic() - begun
            begun = time.monotonic()
            with suppress(TimeoutError):
                most_s = self._most_s + ramp_s
                wait_until(lambda: open_at(self._running) <= others, "their ends", most_s)
            self.gone_s = time.monotonic() - begun
            self.left = max(0, open_at(self._running) - others)

    def judge(self, outcome: Outcome) -> None:
        outcome.figures[self._way] = f"{self.most}, the last was closed after {self.gone_s:.1f} s"
        least = CONNECTIONS * ENOUGH
        outcome.must(self.most >= least, f"{self._way}: only {self.most} connections were made")
        left = f"{self._way}: {self.left} are open after {self._most_s:.0f} s"
        outcome.must(not self.left, left)


def slow(trial: Trial) -> Outcome:
    """Each way, among clients that ask at a rate; under `thread` and `process` the limit of
    connections decides whether these are served meanwhile, so that nothing is asked of it."""
    outcome = Outcome()
    traits = MODELS[trial.server].traits
    each = traits.default_connections
    room = each * (WORKERS if traits.scales_by_workers else 1)
    batches = math.ceil(CONNECTIONS / room)
    with up(trial.server, *deadlines(), "--max-connections", str(each)) as running:
        loaded(running.address, 1.0, groups=MODEST)
        alone = p99_ms(loaded(running.address, 2.0, groups=MODEST))
        for way in WAYS:
            attack = Attack(trial, running, way, batches)
            # Where it is judged, the load lasts as long as the attack may.
            seconds = 2.0 * DEADLINE_S if batches == 1 else 1.0
            tally = loaded(running.address, seconds, attack.go, MODEST)
            attack.judge(outcome)
            outcome.figures[f"p99 among {way}"] = f"{alone:.1f} -> {p99_ms(tally):.1f} ms"
            if batches == 1:
                slower = p99_ms(tally) <= SLOWER * alone + SLOWER_MS
                outcome.must(slower, f"{way}: p99 {alone:.1f} -> {p99_ms(tally):.1f} ms")
        ended_well(running, outcome)
    return outcome
