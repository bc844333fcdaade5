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


def begun(head: ResponseHead) -> Pairs:
    """The status and the fields that `head` has, made once and kept with it."""
    known = head.as_http2
    if known is None:
        fields = [(name.lower(), value) for name, value in head.fields]
        kept = [field for field in fields if field[0] not in OF_A_CONNECTION]
        server = [] if any(name == NAME for name, _ in kept) else [(NAME, VALUE)]
        known = head.as_http2 = [(b":status", b"%d" % head.status), *server, *kept]
    return known  # type: ignore[no-any-return]


def response_fields(
    conn: HttpConnection, head: ResponseHead, length: int | None, date: DateField, now: float
) -> Pairs:
    """All of a response's, with what its connection adds. `length`: of the body, if it is known."""
    fields = begun(head).copy()
    if length is not None and (head.status not in BODILESS or head.status == NOT_MODIFIED):
        fields.append((b"content-length", b"%d" % length))
    if not head.dated:
        fields.append((b"date", date_value(date, now)))
    return added_to(conn, fields) if conn.adding else fields


def date_value(date: DateField, now: float) -> bytes:
    return date.at(now)[len("Date: ") : -2]


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
