"""Counting in the processes that serve: each exchange, and each connection, in the own row.

It listens where the access log does (`http1.logged`), in front of it if there is one; without
`--status` it is not there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from ..http1.logged import AccessLogger, ConnectionLog, LoggedRequest
from ..http1.request import Request
from ..http1.response import head_bytes
from ..http1.stream import HttpConnection
from ..iomodels.overlay import Overlay
from ..server.worker.observing import Spoken
from .rows import (
    CLOSED,
    DURATION,
    DURATION_SUM,
    DURATIONS_NS,
    OPENED,
    QUEUE,
    QUEUE_SUM,
    SIZE,
    SIZE_SUM,
    SIZES,
    Rows,
)

SWITCHING = 101
"""Another protocol, whose end is no end of a request: it is in no histogram."""

Serve = Callable[[HttpConnection], Coroutine[Any, Any, None]]


class CountedExchanges:
    """The `ConnectionLog` of one connection."""

    def __init__(
        self, words: memoryview, conn: HttpConnection, below: ConnectionLog | None
    ) -> None:
        self._words = words
        self._queued: HttpConnection | None = conn
        """Until the first request, whose queue time it knows."""
        self._below = below

    def log_whole(
        self, request: Request, head: bytes, answer: bytes, now: float, begun: float
    ) -> float:
        below = self._below
        end = monotonic() if below is None else below.log_whole(request, head, answer, now, begun)
        self._count(int(answer[9:12]), len(answer) - head_bytes(answer), end - now)
        return end

    def record(
        self, asked: LoggedRequest, status: int, size: int, *, complete: bool = False
    ) -> float:
        below = self._below
        end = monotonic()
        if below is not None:
            end = below.record(asked, status, size, complete=complete)
        self._count(status, size, end - asked.now)
        return end

    def _count(self, status: int, size: int, seconds: float) -> None:
        words = self._words
        words[status] += 1
        if status != SWITCHING:
            duration = int(seconds * 1e9)
            words[DURATION + bisect_left(DURATIONS_NS, duration)] += 1
            words[DURATION_SUM] += duration
            words[SIZE + bisect_left(SIZES, size)] += 1
            words[SIZE_SUM] += size
        if self._queued is not None:
            self._count_queue(self._queued.queued_s)
            self._queued = None

    def _count_queue(self, seconds: float | None) -> None:
        if seconds is not None:
            queued = int(seconds * 1e9)
            self._words[QUEUE + bisect_left(DURATIONS_NS, queued)] += 1
            self._words[QUEUE_SUM] += queued


class CountingLogger:
    """The `AccessLogger` of one process."""

    def __init__(self, rows: Rows, below: AccessLogger | None) -> None:
        self._rows = rows
        self._below = below

    def log_of(self, conn: HttpConnection) -> ConnectionLog:
        below = None if self._below is None else self._below.log_of(conn)
        return CountedExchanges(self._rows.own().words, conn, below)


def count(version: Spoken, rows: Rows) -> None:
    """Have everything counted that is served from now on in this version of HTTP."""

    def counted(serve: Serve) -> Serve:
        async def serve_counted(conn: HttpConnection) -> None:
            row = rows.own()
            row.words[OPENED] += 1
            row.connections.add(conn)
            try:
                await serve(conn)
            finally:
                row.connections.discard(conn)
                row.words[CLOSED] += 1

        return serve_counted

    version.access_logger = CountingLogger(rows, version.access_logger)
    Overlay(version, serve=counted)
