"""What of a line comes from the head of a request, computed once per head.

A head that comes again byte by byte is known (`http1.head_reader`), and so is its part of
the line.  A browser's head is longer, and rarely the same twice; of it only the fields are
looked up that the format has, and these are often the same.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ..http1.head_reader import SHORT_HEAD_BYTES
from ..http1.request import Request
from .formats import HEADER, Format

REMEMBERED = 1024
"""Heads, by their bytes and by their fields; a full table is emptied, as in `http1.request`."""

REMEMBERED_BYTES = 1024
"""The longest set of fields that is remembered."""

FIELDS = {"referer": b"Referer", "user_agent": b"User-Agent"}

NOBODY: Any = None

K = TypeVar("K")


class Head:
    """One head's share of a line, and the last line that was made of it."""

    __slots__ = ("client", "memo", "template")

    def __init__(self, template: str, client: str | None) -> None:
        self.template = template
        self.client = client
        """Who a trusted proxy says the client is; None for the peer."""
        self.memo: tuple[Any, Any, Any, str] = (NOBODY, NOBODY, NOBODY, "")
        """Answer, second and client, and the line filled with them; one tuple, because other
        threads may be filling it, too."""


class Heads:
    """What is remembered of heads."""

    def __init__(self, form: Format) -> None:
        self._format = form
        self._named = [
            (name, FIELDS.get(name) or name.removeprefix(HEADER).encode())
            for name in form.head_fields
            if name in FIELDS or name.startswith(HEADER)
        ]
        self.short: dict[bytes, Head] = {}
        """Heads that are known by their bytes."""
        self._others: dict[tuple[Any, ...], Head] = {}
        """The same by what a line shows of them."""

    def learnt(self, head: bytes, request: Request | None, client: str | None) -> Head:
        """The share of a head that is not in `short`; `request` is None if it was refused."""
        line = head[:end] if (end := head.find(b"\r\n")) >= 0 else head
        host = field(head, b"Host") if request is None else request.host
        key = (line, host, *[field(head, name) for _, name in self._named])
        known = self._others.get((client, *key))
        if known is None:
            quoted = client and self._format.quoted(self._format.escaped(client.encode()))
            known = Head(self._format.template(self._values(key)), quoted)
            if sum(len(value) for value in key if value) <= REMEMBERED_BYTES:
                bounded(self._others)[client, *key] = known
        if request is not None and len(head) <= SHORT_HEAD_BYTES:
            bounded(self.short)[head] = known
        return known

    def _values(self, key: tuple[bytes | None, ...]) -> dict[str, bytes | None]:
        line, host = key[0] or b"", key[1]
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
            "host": host,
        }
        named = zip((name for name, _ in self._named), key[2:], strict=True)
        return {**{name: value or None for name, value in values.items()}, **dict(named)}


def bounded(table: dict[K, Head]) -> dict[K, Head]:
    if len(table) >= REMEMBERED:
        table.clear()
    return table


def field(head: bytes, name: bytes) -> bytes | None:
    """The value of the first field of this name, None if there is none.

    First as browsers write it, which is a tenth of the price of any other way.
    """
    mark = b"\r\n%b:" % name
    at = head.find(mark)
    if at < 0:
        at = head.lower().find(mark.lower())
        if at < 0:
            return None
    start = at + len(mark)
    end = head.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip(b" \t") or None
