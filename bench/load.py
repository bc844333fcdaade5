"""The load: compare's wrk with a row's script, or the websockets' in wrk's place; for HTTP/2
compare's h2load.

All are closed loops: each connection, or stream, sends its next request when the answer is there.
Their percentiles therefore describe a server at its limit, not one at a given rate.
"""

from __future__ import annotations

import sys
from typing import Protocol

import files
from rows import Family, Row
from servers import HERE, Server, server

from fivefold.errors import LoadFailed
from fivefold.load.generator import Load
from fivefold.load.job import Job
from fivefold.load.nghttp2 import H2load
from fivefold.load.tally import Tally
from fivefold.load.wrk import Wrk

HTTP1_CONNECTIONS = 64
"""Of a server in a family of HTTP/2 that speaks HTTP/1.1, which has no streams."""


class Meeting(Load, Protocol):
    """A load that is told which server it meets."""

    def meet(self, each: Server) -> None: ...


def load_of(family: Family, core: int) -> Meeting:
    """What asks the servers of a family, which all answer the same."""
    row = family.rows[0]
    return StreamLoad(row, family.streams, core) if family.streams else RowLoad(row, core)


def answered(tally: Tally) -> Tally:
    """Raises `LoadFailed` if nothing was."""
    if not tally.requests:
        raise LoadFailed("not one request was answered")
    return tally


class StreamLoad(H2load):
    """h2load over TLS; before each run one answer is looked at, and the version that it comes by:
    a server that chooses another than its row names would be measured for what it is not."""

    def __init__(self, row: Row, streams: int, core: int) -> None:
        super().__init__(core, "https")
        self._path, self._streams = row.path, streams
        self._http = "2"

    def meet(self, each: Server) -> None:
        self._http = each.http

    def prepare(self, job: Job) -> None:
        """Raises `LoadFailed`, as `collect`."""
        files.check_version(job, self._path, self._http)
        super().prepare(job)

    def clients(self, count: int) -> tuple[str, ...]:
        if self._http == "2":
            return f"-c{count // self._streams}", f"-m{self._streams}"
        return "--h1", f"-c{HTTP1_CONNECTIONS}", "-m1"

    def collect(self) -> Tally:
        return answered(super().collect())


class RowLoad(Wrk):
    """What one row asks for; before each run one answer is looked at, because wrk does not."""

    def __init__(self, row: Row, core: int) -> None:
        self._scheme = server(row.server).scheme
        url = f"{self._scheme}://{{}}:{{}}{row.path}"
        script = HERE / row.script if row.script else None
        self._is_wrk = script is None or script.suffix == ".lua"
        if script is not None and not self._is_wrk:
            super().__init__(core, program=(sys.executable, str(script)), url=url, script="")
        else:
            super().__init__(core, url=url, script=script.read_text() if script else "")
        self._path = row.path

    def meet(self, each: Server) -> None:
        """All servers of a family are asked alike."""

    def prepare(self, job: Job) -> None:
        """Raises `LoadFailed`, as `collect`."""
        self.check(job)
        super().prepare(job)

    def check(self, job: Job) -> None:
        if self._is_wrk:  # the other load looks at every answer
            files.check(job, self._path, self._scheme)

    def collect(self) -> Tally:
        return answered(super().collect())
