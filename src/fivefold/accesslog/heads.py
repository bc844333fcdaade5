"""What of a line comes from the head of a request, computed once per head.

A head that comes again byte by byte is known (`http1.head.reader`), and so is its part of
the line.  A browser's head is longer, and rarely the same twice; of it only the fields are
looked up that the format has, and these are often the same.
"""

from __future__ import annotations

from typing import Any

from ..http1.bounded import Bounded
from ..http1.head.reader import SHORT_HEAD_BYTES
from ..http1.request import REQUEST_BYTES, Request
from .formats import HEADER, Format, Line
from .second import Second

REMEMBERED_BYTES = 6_291_456
"""Of heads by their bytes, and as much by their fields: of either some 1300, if they are short."""

LONGEST_BYTES = 8192
"""Of one that is remembered, with its line and its answer."""

KEPT_BYTES = 4096
"""The longest answer that is kept with its line, and counted for each head: it comes later."""

HOST = b"\r\nHost: "

FIELDS = {"referer": b"Referer", "user_agent": b"User-Agent", "request_id": b"X-Request-ID"}

NOBODY: Any = None

Memo = tuple[Any, Second, str, int, int, Line]
"""An answer (None if it is not worth keeping), second, client, status, size, and the line
filled with them."""


class Head:
    """One head's share of a line, and the last line that was made of it."""

    __slots__ = ("client", "memo", "template")

    def __init__(self, template: str, client: str | None) -> None:
        self.template = template
        self.client = client
        """The client as a trusted proxy names it; None for the peer."""
        self.memo: Memo = (NOBODY, NOBODY, NOBODY, 0, 0, ())
        """One tuple, because other threads may be filling it, too."""


class Heads:
    """What is remembered of heads."""

    def __init__(self, form: Format) -> None:
        self._format = form
        self._named = [n for n in form.head_fields if n in FIELDS or n.startswith(HEADER)]
        names = [FIELDS.get(name) or name.removeprefix(HEADER).encode() for name in self._named]
        self._marks = [b"\r\n%b: " % name for name in names]
        self._short: Bounded[bytes, Head] = Bounded(REMEMBERED_BYTES, LONGEST_BYTES)
        self.known_as = self._short.get
        """The share of a head that is known by its bytes."""
        self._others: Bounded[tuple[Any, ...], Head] = Bounded(REMEMBERED_BYTES, LONGEST_BYTES)
        """The same by what a line shows of them."""

    def learnt(self, head: bytes, request: Request, client: str | None) -> Head:
        """That of a head which `known_as` does not know."""
        fields = self._fields(head)
        key = (client, request, *fields)  # one Request: one request line, one host
        known = self._others.get(key)
        if known is None:
            known = self._made(head, request, client, fields)
            self._others.remember(key, known, bytes_of(known, request))
        if len(head) <= SHORT_HEAD_BYTES:
            self._short.remember(head, known, bytes_of(known, request))
        return known

    def once(self, head: bytes, request: Request | None, client: str | None) -> Head:
        """That of a head like which no other comes: it was refused (`request` is None), or has a
        name of its own."""
        return self._made(head, request, client, self._fields(head))

    def _fields(self, head: bytes) -> list[bytes | None]:
        return [field(head, mark) for mark in self._marks]

    def _made(
        self, head: bytes, request: Request | None, client: str | None, fields: list[bytes | None]
    ) -> Head:
        shown = client and self._format.escaped(client.encode())
        values = about(head, request) | dict(zip(self._named, fields, strict=True))
        return Head(self._format.template(values), shown)


def bytes_of(known: Head, request: Request) -> int:
    """What they hold: a form that shows no target would otherwise keep the long ones unseen."""
    obeyed = sum(map(len, request.obeyed.values()))
    texts = len(request.target) + len(request.host) + obeyed
    # The template twice: the line that is filled has as much.
    return REQUEST_BYTES + texts + 2 * len(known.template) + KEPT_BYTES


def about(head: bytes, request: Request | None) -> dict[str, bytes | None]:
    """What the request line and Host say; None for what they do not."""
    line = head[:end] if (end := head.find(b"\r\n")) >= 0 else head
    method, _, rest = line.partition(b" ")
    target, _, protocol = rest.rpartition(b" ") if b" " in rest else (rest, b"", b"")
    path, _, query = target.partition(b"?")
    values = {
        "request": line,
        "method": method,
        "target": target,
        "path": path,
        "query": query,
        "protocol": protocol,
        "host": field(head, HOST) if request is None else request.host,
    }
    return {name: value or None for name, value in values.items()}


def field(head: bytes, mark: bytes) -> bytes | None:
    r"""The value of the first field of a name, None if there is none; `mark` is `\r\nName: `.

    First as browsers write it, which is a third of the price of any other way.
    """
    at = head.find(mark)
    if at >= 0:
        start = at + len(mark)
    else:
        start = end_of(head, mark)
        if not start:
            return None
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)] or None


def end_of(head: bytes, mark: bytes) -> int:
    """Where a field's value begins, whatever the case of its name and the space before it."""
    name = mark[:-1].lower()
    at = head.lower().find(name)
    if at < 0:
        return 0
    start = at + len(name)
    while head[start : start + 1] in (b" ", b"\t"):
        start += 1
    return start
