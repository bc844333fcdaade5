"""`--server-timing`: each response says where its time went (W3C Server Timing).

Assumption.   Clients may know it: a time can tell whether something was found in a cache.
Cost.         No answer leaves before content is asked as if nothing was remembered, and see
              `leaving_head.seen`.  Nothing where it is off: then this is not there.
"""

from __future__ import annotations

from functools import partial
from time import monotonic

from ..http1.answer import Answer, Deferred
from ..http1.exchange import Exchange
from ..http1.request import Request
from ..http1.stream import HttpConnection
from .base import Around
from .leaving_head import HEAD_END, is_head, seen, with_line

BEGINNING = b"Server-Timing: read;dur="


def with_times(data: bytes, read_s: float, app_s: float) -> bytes:
    """The head of a response with its times, unless it has them: from the first bytes of the
    request to the whole head, and from there until the head of the response leaves."""
    if data.find(b"\r\n" + BEGINNING, 0, data.find(HEAD_END) + 1) >= 0:
        return data
    times = b"%.3f, app;dur=%.3f\r\n" % (max(0.0, read_s) * 1e3, app_s * 1e3)
    return with_line(data, BEGINNING + times)


class Timed(Around):
    """Content whose responses have times."""

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        return Deferred(partial(self._timed, now))

    async def respond(self, exchange: Exchange) -> None:
        await self._timed(monotonic(), exchange)

    async def _timed(self, arrived: float, exchange: Exchange) -> None:
        asked = monotonic()
        opened = False

        def with_field(data: bytes) -> bytes:
            nonlocal opened
            if opened or not is_head(data):
                return data
            opened = True
            return with_times(data, asked - arrived, monotonic() - asked)

        with seen(exchange.conn, with_field):
            await self._content.respond(exchange)
