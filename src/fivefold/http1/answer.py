"""What HTTP asks of content, and what that answers at once: the whole response, a head and its
file, or what is still to do.

Each has status, fields and body as data (`ResponseHead`), for whatever version of HTTP asks;
the bytes of HTTP/1.1 are made of them by `joined` and by nothing else.  What comes again brings
the bytes that were made the first time (`as_http1`).  What is to become of an answer is a
method or a fact here, so no other code looks at which of the three it is, but for the loop of a
connection, which sends what is `Whole` without another call.

Cost.         An object for each call of a WSGI application, 0.1 us; nothing for a file, whose
              object lives as long as its bytes.  `Whole` therefore has no `__init__`, which alone
              would double that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal, Protocol

from .exchange import Exchange
from .request import Request
from .response import FilePart, ResponseHead, closing_head, head_bytes, joined, leaving
from .stream import HttpConnection

Sending = Coroutine[Any, Any, None]


class Whole:
    """A response with its body."""

    __slots__ = ("as_http1", "given", "head")

    head: ResponseHead
    given: bytes
    """The body, where that is not in `as_http1`."""
    as_http1: bytes
    """All of it for a connection that is kept, if that has been made."""

    complete: Literal[True] = True
    """Whether nothing is left to do but to send it."""
    from_memory = True
    """Whether no file has to be read for it."""

    @classmethod
    def made(cls, head: ResponseHead, as_http1: bytes) -> Whole:
        """One whose bytes are there already."""
        answer = cls()
        answer.head, answer.given, answer.as_http1 = head, b"", as_http1
        return answer

    @property
    def body(self) -> bytes:
        return self.given or self.as_http1[head_bytes(self.as_http1) :]

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.as_http1) - head_bytes(self.as_http1) if self.as_http1 else len(self.given)

    def send(self, conn: HttpConnection, date: bytes, *, keep: bool) -> Sending:
        out = self.as_http1 or joined(self.head, self.given, date)
        return conn.send(out if keep else closing_head(out))

    def with_fields(self, conn: HttpConnection, date: bytes) -> Whole:
        """With what the connection adds to its present response."""
        out = self.as_http1 or joined(self.head, self.given, date)
        return Whole.made(self.head, leaving(conn, out))

    def through(self, exchange: Exchange) -> Sending:
        """Answer by way of an exchange, which may count."""
        return exchange.pass_answer(self)


class HeadAndFile:
    """A response whose body is a part of a file; `as_http1` is its head."""

    __slots__ = ("as_http1", "head", "part")

    complete: Literal[True] = True
    from_memory = False

    def __init__(self, head: ResponseHead, part: FilePart, as_http1: bytes) -> None:
        self.head = head
        self.part = part
        self.as_http1 = as_http1

    def send(self, conn: HttpConnection, date: bytes, *, keep: bool) -> Sending:
        head = self.as_http1
        return self.part.send(conn, head if keep else closing_head(head))

    def with_fields(self, conn: HttpConnection, date: bytes) -> HeadAndFile:
        return HeadAndFile(self.head, self.part, leaving(conn, self.as_http1))

    @property
    def size(self) -> int:
        return self.part.count

    def through(self, exchange: Exchange) -> Sending:
        return exchange.pass_answer(self)


class Deferred:
    """The rest of a response that has been begun; `through` is to be called for it."""

    __slots__ = ("through",)

    complete: Literal[False] = False
    from_memory = False

    def __init__(self, through: Callable[[Exchange], Awaitable[None]]) -> None:
        self.through = through

    def with_fields(self, conn: HttpConnection, date: bytes) -> Deferred:
        return self  # an exchange makes its head


Answer = Whole | HeadAndFile | Deferred


class Answered:
    """To be awaited by whoever waits for an answer that is out already."""

    def __await__(self) -> Any:
        return iter(())


ANSWERED = Answered()
"""What `respond` returns where it has answered before it returned: nothing is left to wait for."""


class Responder(Protocol):
    """What HTTP asks of content (`content.base.Content`), which it does not know."""

    nests: bool

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        """The response, if it can be begun at once; None: ask `respond`. Called for each
        request, before anything of its body is read."""

    def respond(self, exchange: Exchange) -> Awaitable[None]:
        """Answer through the exchange. Raises `ProtocolError` for a refusal; returns `ANSWERED`, or
        what is to be awaited."""
