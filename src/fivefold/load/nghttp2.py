"""h2load as the load: HTTP/2 without TLS (nghttp2's own client), `compare --http 2`.

Facts.        It knows one kind of client, the closed loop, `-m` streams on each of `-c`
              connections; of an answer it checks the status alone, and writes the times of each
              request to a file, in microseconds.
Choice.       As many requests at once as the job has clients: `STREAMS` on each connection.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from ..errors import LoadFailed
from .external import ExternalLoad
from .job import Ask, Job
from .tally import Tally

STREAMS = 16
"""Requests at once on a connection: a page of a browser."""

PATIENCE_S = 15.0
"""It stops by itself; this much later something is wrong with it."""

FINISHED = re.compile(r"^finished in ([\d.]+)(us|ms|s)\b", re.MULTILINE)
UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
BROKEN = re.compile(r" (\d+) errored, (\d+) timeout")
TRAFFIC = re.compile(r"^traffic: \S+ \((\d+)\) total", re.MULTILINE)

GOOD = range(200, 400)


class H2load(ExternalLoad):
    """In the place of a `Generator`. Raises `SettingsError` if h2load is not installed."""

    def __init__(self, core: int, scheme: str = "http") -> None:
        super().__init__("h2load", core, "apt-get install nghttp2-client")
        self._scheme = scheme
        self._seconds = 0
        self._times = Path()
        self._words: tuple[str, ...] = ()

    def prepare(self, job: Job) -> None:
        """Raises `LoadFailed` for what h2load cannot do."""
        group = self._kept_clients(job)
        self._seconds = math.ceil(job.seconds)
        self._times = self._folder / "times"
        self._times.unlink(missing_ok=True)
        host, port = job.address
        self._words = (
            *("-t1", *self.clients(group.count), f"-D{self._seconds}"),
            f"--log-file={self._times}",
            *(f"{self._scheme}://{host}:{port}{path_of(ask)}" for ask in group.asks),
        )

    def clients(self, count: int) -> tuple[str, ...]:
        """What asks for so much at once."""
        streams = min(STREAMS, count)
        return f"-c{math.ceil(count / streams)}", f"-m{streams}"

    def go(self) -> None:
        self._start(*self._words)

    def collect(self) -> Tally:
        """Raises `LoadFailed` if h2load did not run to its end."""
        process = self._processes[0]
        printed = self._printed(self._seconds + PATIENCE_S)
        if process.returncode:
            raise LoadFailed(f"h2load ended with status {process.returncode}: {self._last_words()}")
        times = self._times.read_text() if self._times.exists() else ""
        return self._with_share(read(printed, times))


def path_of(ask: Ask) -> str:
    """Raises `LoadFailed` for a request that has more to say than its path."""
    method, path, _ = ask.data.split(b" ", 2)
    if method != b"GET":
        raise LoadFailed("h2load asks by GET only")
    return path.decode("latin-1")


def read(printed: str, times: str) -> Tally:
    """What it printed, and what it wrote of each request: beginning, status, duration."""
    finished, broken = FINISHED.search(printed), BROKEN.search(printed)
    traffic = TRAFFIC.search(printed)
    if finished is None or broken is None or traffic is None:
        raise LoadFailed(f"h2load printed no counts: {printed.strip()[-200:]}")
    elapsed_s = float(finished[1]) * UNITS_S[finished[2]]
    tally = Tally(elapsed_s=elapsed_s, received_bytes=int(traffic[1]), lost=int(broken[1]))
    tally.unanswered = int(broken[2])
    for line in times.splitlines():
        _, status, took_us = map(int, line.split("\t"))
        if status in GOOD:
            tally.latencies.record(took_us * 1000, 1)
        elif status > 0:
            tally.errors["status"] += 1
    return tally
