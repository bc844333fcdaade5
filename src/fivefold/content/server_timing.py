"""`--server-timing`: each response says where its time went (W3C Server Timing).

Assumption.   Clients may know it: a time can tell whether something was found in a cache.
Cost.         No answer leaves before content is asked as if nothing was remembered, and see
              `leaving_head.seen`.  Nothing where it is off: then this is not there.
"""

from __future__ import annotations

from functools import partial
from time import monotonic
from weakref import WeakSet

from ..http1.answer import Answer, Deferred
from ..http1.exchange import Exchange
from ..http1.request import Request
from ..http1.stream import HttpConnection
from .base import Around, Content
from .leaving_head import HEAD_END, is_head, seen, with_line

BEGINNING = b"Server-Timing: read;dur="


def with_times(data: bytes, read_s: float, app_s: float, queued_s: float | None = None) -> bytes:
    """The head of a response with its times, unless it has them: from the first bytes of the
    request to the whole head, and from there until the head of the response leaves; and, if that
    is known, how long those first bytes had been in the kernel."""
    if data.find(b"\r\n" + BEGINNING, 0, data.find(HEAD_END) + 1) >= 0:
        return data
    times = b"%.3f, app;dur=%.3f" % (max(0.0, read_s) * 1e3, app_s * 1e3)
    queue = b"" if queued_s is None else b", queue;dur=%.3f" % (queued_s * 1e3)
    return with_line(data, b"".join((BEGINNING, times, queue, b"\r\n")))


class Timed(Around):
    """Content whose responses have times."""

    def __init__(self, content: Content) -> None:
        super().__init__(content)
        self._answered: WeakSet[HttpConnection] = WeakSet()
        """Connections whose next request is not the first: it did not lie in their queue."""

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        return Deferred(partial(self._timed, now))

    async def respond(self, exchange: Exchange) -> None:
        await self._timed(monotonic(), exchange)

    async def _timed(self, arrived: float, exchange: Exchange) -> None:
        asked = monotonic()
        opened = False
        conn = exchange.conn
        queued_s = None if conn in self._answered else conn.queued_s
        self._answered.add(conn)

        def with_field(data: bytes) -> bytes:
            nonlocal opened
            if opened or not is_head(data):
                return data
            opened = True
            return with_times(data, asked - arrived, monotonic() - asked, queued_s)

        with seen(conn, with_field):
            await self._content.respond(exchange)
