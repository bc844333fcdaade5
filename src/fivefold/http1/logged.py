"""Exchanges for the access log: what of a response has really left.

Only a server that keeps a log makes these instead of `Exchange`, so one that keeps none
does not pay for them.  The log itself comes in as an `AccessLogger`; HTTP knows nothing
of files and formats.

Three moments divide the time.  *Waited*: from when the exchange before was over (or the
connection began) until the head was complete.  *Handled*: until the head of the response
was given to the connection.  *Sent*: until the connection took the last byte.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Protocol

from .exchange import OVER, Exchange
from .request import Request
from .response import Response, head_bytes
from .stream import HttpConnection

NOTHING_SENT = 499
"""nginx's status for a client that left before it was answered."""


@dataclass(slots=True)
class LoggedRequest:
    """A request as the log sees it."""

    request: Request | None
    """None if there never was a whole one."""
    head: bytes
    """What came of its head."""
    now: float
    """When the head was complete; monotonic seconds, as all moments here."""
    begun: float
    """When its response began."""
    since: float | None = None
    """From when it was waited for; None: from the end of the exchange before."""
    name: str | None = None
    """Its own (`content.request_ids`); None: that of its connection."""


class ConnectionLog(Protocol):
    """Records the exchanges of one connection; each method returns the present moment, which
    is when the exchange was over."""

    def log_whole(
        self, request: Request, head: bytes, answer: bytes, now: float, begun: float
    ) -> float:
        """An answer that was ready, and was sent; `now` and `begun` as in `LoggedRequest`."""

    def record(
        self, asked: LoggedRequest, status: int, size: int, *, complete: bool = False
    ) -> float:
        """Any other: what was sent for it, and whether that was all."""


class AccessLogger(Protocol):
    """The log of one process."""

    def log_of(self, conn: HttpConnection) -> ConnectionLog: ...


class LoggedExchange(Exchange):
    """An exchange that counts what it gives to the connection.

    Its state begins as defaults of the class: an `__init__` of its own would call the other one,
    0.1 us for each request.
    """

    _status = 0
    _begun = 0.0
    _size = 0
    """Bytes of the body given to the connection, framing of chunks included."""
    _opened = 0
    """Bytes of the head that leave with the next part."""
    _taken_over = False
    _head_left = False
    """Whether the head of what another protocol sends has left."""

    def _begins(self, status: int) -> None:
        self._status = status
        self._begun = monotonic()

    async def answer(self, response: Response) -> None:
        self._begins(response.status)
        if self.request.method != "HEAD":
            self._size = response.length
        await super().answer(response)

    def pass_on(self, status: int, size: int) -> bytes:
        self._begins(status)
        self._size = size
        return super().pass_on(status, size)

    def as_one_message(self, data: bytes) -> bytes | None:
        out = super().as_one_message(data)
        if out is not None:
            self._begins(int(out[9:12]))
            self._size = len(data)
        return out

    def take_over(self, status: int) -> None:
        super().take_over(status)
        self._begins(status)
        self._taken_over = True

    def took(self, data: bytes) -> None:
        self._size += len(data)
        if not self._head_left:
            self._head_left = True
            self._size -= head_bytes(data)

    async def inform(self, status: int, lines: bytes) -> None:
        size = self._size
        await super().inform(status, lines)
        self._size = size

    def _opening(self, known_length: int | None) -> bytes:
        out = super()._opening(known_length)
        self._begins(int(out[9:12]))
        self._opened = len(out)
        return out

    async def _unbroken(self, operation: Any, size: int) -> None:
        self._size += size - self._opened
        self._opened = 0
        await super()._unbroken(operation, size)

    async def logged(
        self, access_log: ConnectionLog, now: float, respond: Callable[[Exchange], Awaitable[Any]]
    ) -> None:
        """Let `respond` answer and record what became of it, unless it is still to be refused."""
        complete = refused = False
        try:
            await respond(self)
            complete = self.finished or self._taken_over
        except OVER:
            raise
        except BaseException:
            refused = not self.started
            raise
        finally:
            if not refused:
                self._record(access_log, now, complete=complete)

    def _record(self, access_log: ConnectionLog, now: float, *, complete: bool) -> None:
        # Given to the connection and not taken by its kernel: it is lost when the client has left.
        unsent = self.conn.unsent
        asked = LoggedRequest(self.request, self.request_head, now, self._begun or monotonic())
        size = max(0, self._size - unsent)
        status = self._status or NOTHING_SENT
        access_log.record(asked, status, size, complete=complete and not unsent)


async def sent(
    access_log: ConnectionLog, conn: HttpConnection, answer: bytes, asked: LoggedRequest
) -> float:
    """Send a whole response and record it; the present moment. Raises what `conn.send` raises."""
    complete = False
    request = asked.request
    try:
        await conn.send(answer)
        complete = True
    finally:
        if not complete or request is None:
            size = len(answer) - head_bytes(answer) - conn.unsent
            access_log.record(asked, int(answer[9:12]), max(0, size), complete=complete)
    if request is None:
        return monotonic()
    return access_log.log_whole(request, asked.head, answer, asked.now, asked.begun)
