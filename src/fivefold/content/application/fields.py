"""Response fields as applications give them: checked, then serialized.

An application's status and fields are foreign text.  What could end a line (header
injection) or frame the message otherwise than we do is refused here, before a byte of it
is sent; `Content-Length` and `Date` are noticed, `Connection: close` is obeyed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ...errors import InvalidResponse
from ...http1.bounded import Bounded
from ...http1.response import SERVER, STATUS_LINES, ResponseHead
from ...isolation.reporting import logger

log = logger("fivefold.fields")

NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch
"""RFC 9110, section 5.1: a token."""

CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search
"""RFC 9110, section 5.5: a value has no control characters but the tabulator."""

HOP_BY_HOP = set(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection"
    b" te trailer transfer-encoding upgrade".split()
)
"""They belong to the connection, which is the server's (RFC 9110, section 7.6.1; PEP 3333)."""

FIRST, LAST = 200, 599
"""The final statuses."""

REMEMBERED_BYTES = 2_097_152
"""Of heads that are remembered for an interface: most applications have few, and checking takes
2 us. Bounded in bytes, as a head may repeat what a client sent (a redirect, an id, a cookie)."""

LONGEST_BYTES = 4096
"""Of a remembered head with its key: a longer one does not come twice."""

FIELD_BYTES = 160
"""Of a field besides its text: a tuple (56 bytes) and two objects (33 to 49 each)."""

Pairs = Iterable[tuple[bytes, bytes]]


class ResponseHeads(Bounded[tuple[Any, ...], ResponseHead]):
    """Checked heads by what the application gave: the status, then pairs."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(REMEMBERED_BYTES, LONGEST_BYTES)

    def put(self, key: tuple[Any, ...], head: ResponseHead) -> None:
        texts = sum([len(name) + len(value) for name, value in key[1:]])
        # Twice: the key has them as they were given, the head as they are sent.
        self.remember(key, head, 2 * (texts + FIELD_BYTES * len(key)) + len(head.lines))


_dropped: set[bytes] = set()
"""Of the hop-by-hop fields those whose dropping the log has."""


def response_head(
    status: int, pairs: Pairs, *, reason: bytes | None = None, warns: bool = False
) -> ResponseHead:
    """Check and serialize. Raises `InvalidResponse`.

    Hop-by-hop fields are dropped, as other servers do, although PEP 3333 forbids to give
    any; `Connection: close` is obeyed all the same.  With `warns` the first of each is logged.
    """
    if not FIRST <= status <= LAST:
        raise InvalidResponse(f"status {status} is not between {FIRST} and {LAST}")
    lines = [status_line(status, reason)]
    fields: list[tuple[bytes, bytes]] = []
    length: int | None = None
    dated = served = close = False
    for name, value in pairs:
        if not NAME(name) or CONTROL(value):
            raise InvalidResponse(f"field {name!r}: {value!r} would break the response's head")
        key = name.lower()
        if key in HOP_BY_HOP:
            if warns and key not in _dropped:
                _dropped.add(key)
                log.warning(
                    "the server itself sets %s: what the application gives is dropped",
                    name.decode(),
                )
            close = close or (key == b"connection" and value.strip().lower() == b"close")
            continue
        if key == b"content-length":
            length = declared_length(value, length)
            continue
        dated = dated or key == b"date"
        served = served or key == b"server"
        fields.append((name, value))
        lines.append(b"%b: %b\r\n" % (name, value))
    if not served:
        lines.append(SERVER)
    return ResponseHead(status, fields, length, b"".join(lines), dated, close)


def status_line(status: int, reason: bytes | None) -> bytes:
    if reason is None:
        return STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    if CONTROL(reason):
        raise InvalidResponse(f"reason {reason!r} would break the response's head")
    return b"HTTP/1.1 %d %b\r\n" % (status, reason)


def declared_length(value: bytes, before: int | None) -> int:
    text = value.strip()
    if not text.isdigit() or (before is not None and before != int(text)):
        raise InvalidResponse(f"Content-Length {value!r} is not one number")
    return int(text)
