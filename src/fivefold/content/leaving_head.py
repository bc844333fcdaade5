"""A field put into the head of a response as it leaves, whatever makes the response.

Facts.        Only when a head leaves is it known that it is the one (an application may call
              `start_response` again), and how long it took.
Choice.       The connection says what is put into its present response (`adding`), and whatever
              makes the bytes of a head asks it (`http1.response.leaving`).
Cost.         Where nothing is added, a look at an empty tuple where an exchange makes a head, and
              nothing where a whole answer is ready.  Otherwise the bytes of the head, and of a
              small body, are copied once more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from ..http1.answer import Answer, Deferred
from ..http1.exchange import Exchange
from ..http1.request import Request
from ..http1.response import DateField
from ..http1.stream import HttpConnection
from .base import Around, Content

HEAD_END = b"\r\n\r\n"

FINAL, SWITCHING = 200, 101
"""Below the first a response is not yet the response, but for the second (RFC 9110, 15.2)."""


def is_head(data: bytes) -> bool:
    """Whether the response begins with these bytes, and no interim one does."""
    status = status_of(data)
    return status >= FINAL or status == SWITCHING


def status_of(data: bytes) -> int:
    """Of a response that begins with these bytes; 0 if none does."""
    return int(data[9:12]) if data[:5] == b"HTTP/" and data[9:12].isdigit() else 0


def with_line(data: bytes, line: bytes) -> bytes:
    """With a field behind the others; as it is if the head does not end in these bytes."""
    end = data.find(HEAD_END) + 2
    return data if end < len(b"\r\n") else b"".join((data[:end], line, data[end:]))


Add = Callable[[bytes], bytes]
"""Puts a field into a response's first bytes, a whole head in them, unless it is there."""

Begin = Callable[[Request, HttpConnection, bytes, float], Add]
"""Called when a request has come, with it, its connection, its head and when that was whole."""


class FieldsAdded(Around):
    """Content around another whose responses get fields that are made for each."""

    def __init__(self, content: Content, begins: Sequence[Begin]) -> None:
        super().__init__(content)
        self._begins = begins
        self._date = DateField()

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        self._begin(request, conn, head, now)
        answer = self._content.answer_at_once(request, head, conn, now)
        if answer is None:
            return Deferred(self._named)
        return answer.with_fields(conn, self._date.at(monotonic()))

    def respond(self, exchange: Exchange) -> Awaitable[None]:
        """Of a server that stops: it has not asked for an answer at once."""
        self._begin(exchange.request, exchange.conn, exchange.request_head, monotonic())
        return self._named(exchange)

    def _named(self, exchange: Exchange) -> Awaitable[None]:
        exchange.keep_name()
        return self._content.respond(exchange)

    def _begin(self, request: Request, conn: HttpConnection, head: bytes, now: float) -> None:
        conn.begin_request(tuple([begin(request, conn, head, now) for begin in self._begins]))
