"""Responses: the value that content returns, and its head as bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from .stream import HttpConnection

Fields = list[tuple[bytes, bytes]]

SERVER = b"Server: fivefold\r\n"

PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}

STATUS_LINES = {code: b"HTTP/1.1 %d %s\r\n" % (code, text) for code, text in PHRASES.items()}

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

CLOSE = b"Connection: close\r\n"

HEAD_END = b"\r\n\r\n"

BODILESS = (204, 304)
"""Statuses that have neither a body nor Content-Length of one (RFC 9110, section 8.6)."""


NOT_MODIFIED = 304
"""Of the two it alone may tell the length that a body would have had."""


@dataclass(slots=True)
class ResponseHead:
    """Status and fields of a response, checked: as data, and serialized for HTTP/1.1."""

    status: int
    fields: Fields
    """Without framing and Connection, and without the Server and Date that are added."""
    length: int | None = None
    """What Content-Length promises; None where it was not given."""
    lines: bytes = b""
    """From the status line to the last field, in HTTP/1.1."""
    dated: bool = False
    """Whether `lines` have a Date of their own."""
    close: bool = False
    framing: bytes = b""
    """The Content-Length line, where it was given, and the empty line behind it."""
    is_ordinary: bool = True
    """Whether it has a body, and the connection can be kept behind it."""
    as_http2: Any = None
    """The same as fields of HTTP/2, once they have been made."""

    @property
    def is_event_stream(self) -> bool:
        """Server-sent events (HTML standard, section 9.2)."""
        return any(
            name.lower() == b"content-type" and value.lower().startswith(b"text/event-stream")
            for name, value in self.fields
        )

    def __post_init__(self) -> None:
        if not self.lines:
            fields = [b"%s: %s\r\n" % pair for pair in self.fields]
            self.lines = b"".join((STATUS_LINES[self.status], SERVER, *fields))
        if self.length is not None:
            self.framing = b"Content-Length: %d\r\n\r\n" % self.length
        elif self.status in BODILESS:
            self.framing = b"\r\n"
        self.is_ordinary = not self.close and self.status not in BODILESS


@dataclass
class FilePart:
    """A range of an open file as a response's body; `file` is what the connection sends."""

    file: Any
    offset: int
    count: int
    release: Callable[[], None]
    """Called once the part is sent or given up."""
    check: Callable[[], None] | None = None
    """Called once the part is sent. Raises `FileChanged` if it may have been mixed."""

    async def send(self, conn: HttpConnection, head: bytes) -> None:
        """Behind a head; released whatever happens."""
        try:
            await conn.send_file(head, self.file, self.offset, self.count)
            if self.check is not None:
                self.check()
        finally:
            self.release()


@dataclass
class Response:
    """What content answers. Framing, Date, Server and Connection are the exchange's."""

    status: int
    fields: Fields = field(default_factory=list)
    body: bytes | FilePart = b""

    @property
    def length(self) -> int:
        return self.body.count if isinstance(self.body, FilePart) else len(self.body)


def http_date(seconds: float) -> bytes:
    """IMF-fixdate (RFC 9110, section 5.6.7)."""
    return formatdate(seconds, usegmt=True).encode("ascii")


class DateField:
    """The `Date` line, made once a second instead of once a request.

    `line` is valid while `time.monotonic` is below `until`.
    """

    def __init__(self) -> None:
        self.line = b""
        self.until = 0.0

    def at(self, now: float) -> bytes:
        """The line at monotonic `now`."""
        if now >= self.until:
            wall = time.time()
            self.line = b"Date: %s\r\n" % http_date(wall)
            # By the monotonic clock: one that is set back would keep an old line.
            self.until = now + 1.0 - wall % 1.0
        return self.line


def serialized(status: int, fields: Fields, date_line: bytes, *, persistence: bytes = b"") -> bytes:
    """A response head; `persistence` is a whole Connection line, or nothing."""
    parts = [STATUS_LINES[status], SERVER, date_line]
    parts += [b"%s: %s\r\n" % pair for pair in fields]
    parts += [persistence, b"\r\n"]
    return b"".join(parts)


def joined(head: ResponseHead, data: bytes | memoryview, date: bytes) -> bytes:
    """Head and body of an ordinary response to a connection that is kept; the body must fit."""
    framing = head.framing or b"Content-Length: %d\r\n\r\n" % len(data)
    return b"".join((head.lines, b"" if head.dated else date, framing, data))


def leaving(conn: HttpConnection, out: bytes) -> bytes:
    """A response's first bytes, a whole head in them, with the fields that `conn` adds."""
    for add in conn.adding:
        out = add(out)
    return out


def closing_head(head: bytes) -> bytes:
    """A head, and whatever follows it in the same bytes, that says that the connection ends."""
    fields = head.index(b"\r\n") + 2
    # Views: the body may be behind it, and is copied once.
    return b"".join((memoryview(head)[:fields], CLOSE, memoryview(head)[fields:]))


def head_bytes(out: bytes) -> int:
    """The length of the head with which a response begins."""
    return out.find(HEAD_END) + len(HEAD_END)


def plain(status: int, detail: str = "", fields: Fields | None = None) -> Response:
    """A short answer in text, for refusals and redirects."""
    text = f"{status} {HTTPStatus(status).phrase}\n"
    if detail:
        text += f"\n{detail}\n"
    kind = (b"Content-Type", b"text/plain; charset=utf-8")
    return Response(status, [kind, *(fields or [])], text.encode())
