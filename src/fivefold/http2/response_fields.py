"""The head of a response as fields of HTTP/2: from a `ResponseHead`, which is data, or from the
lines of HTTP/1.1, where something was put into them on their way."""

from __future__ import annotations

from ..http1.request import fields_of
from ..http1.response import BODILESS, NOT_MODIFIED, SERVER, DateField, ResponseHead, leaving
from ..http1.stream import HttpConnection

Pairs = list[tuple[bytes, bytes]]

OF_A_CONNECTION = {
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"transfer-encoding",
    b"upgrade",
}
"""RFC 9113, section 8.2.2: they would make a response malformed."""

NAME, VALUE = (part.strip() for part in SERVER.lower().split(b":"))


class Known:
    """The fields of a head that comes again, made once; and those of this second."""

    __slots__ = ("fields", "latest")

    def __init__(self, head: ResponseHead) -> None:
        fields = [(name.lower(), value) for name, value in head.fields]
        kept = [field for field in fields if field[0] not in OF_A_CONNECTION]
        server = [] if any(name == NAME for name, _ in kept) else [(NAME, VALUE)]
        self.fields: Pairs = [(b":status", b"%d" % head.status), *server, *kept]
        self.latest: tuple[float, int | None, Pairs] = 0.0, None, []
        """All fields of the last response with it: until when (`time.monotonic`) and for what
        length they are right. In one, because several threads may look while one puts it there;
        nothing changes the list."""

    def completed(
        self, head: ResponseHead, length: int | None, date: DateField, now: float
    ) -> Pairs:
        """With the length, and the date if it has none of its own."""
        line = date.at(now)
        fields = self.fields.copy()
        if length is not None and (head.status not in BODILESS or head.status == NOT_MODIFIED):
            fields.append((b"content-length", b"%d" % length))
        if not head.dated:
            fields.append((b"date", line[len("Date: ") : -2]))
        self.latest = date.until, length, fields
        return fields


def response_fields(
    conn: HttpConnection, head: ResponseHead, length: int | None, date: DateField, now: float
) -> Pairs:
    """All of a response's, with what its connection adds; not to be changed. `length`: of the
    body, if it is known."""
    known = head.as_http2
    if known is None:
        known = head.as_http2 = Known(head)
    until, size, fields = known.latest
    if now >= until or size != length:
        fields = known.completed(head, length, date, now)
    return added_to(conn, fields) if conn.adding else fields


def added_to(conn: HttpConnection, fields: Pairs) -> Pairs:
    """With what the connection puts into the lines of its response's head."""
    status, *others = fields
    lines = [b"%b: %b\r\n" % field for field in others]
    out = b"".join((b"HTTP/1.1 %b \r\n" % status[1], *lines, b"\r\n"))
    return [status, *fields_of(leaving(conn, out))]


def of_lines(head: bytes) -> Pairs:
    """Of a head of HTTP/1.1 as it would leave."""
    fields = [field for field in fields_of(head) if field[0] not in OF_A_CONNECTION]
    return [(b":status", head[9:12]), *fields]
