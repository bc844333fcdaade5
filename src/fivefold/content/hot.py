"""What was asked for within this second, by the request target: no path, no file, no parsing.

Entries that are the same for everybody are found by the target alone.  Where the coding
depends on the client, they are found by the target and the bytes of Accept-Encoding, which
are few different ones: browsers of one kind all send the same.
"""

from __future__ import annotations

from typing import TypeVar

from ..http1.request import Request
from .codings import accepted
from .file_cache import Entry

TARGETS = 16384
"""Request targets that lead straight to an entry; many may lead to one, so it is bounded."""

TARGET_BYTES = 256
"""The longest of them: all together stay below 6 MiB."""

WAYS = 32
"""Values of Accept-Encoding remembered for one target; a client may invent any number."""

WAY_BYTES = 256
"""The longest of them."""


K = TypeVar("K")
V = TypeVar("V")


class Hot:
    """Entries by target; whoever looks checks whether they are still fresh."""

    def __init__(self) -> None:
        self.plain: dict[bytes | None, Entry] = {}
        """For everybody, whatever they accept."""
        self._varied: dict[bytes, dict[bytes, Entry]] = {}

    def of(self, target: bytes, head: bytes) -> Entry | None:
        """The entry for a target of which it depends on the client."""
        ways = self._varied.get(target)
        return None if ways is None else ways.get(accepted(head))

    def remember(self, request: Request, entry: Entry, accepts: bytes, *, varies: bool) -> None:
        target = request.plain_target or request.selective_target
        if target is None or len(target) > TARGET_BYTES:
            return
        if not varies:
            self._varied.pop(target, None)
            bounded(self.plain, TARGETS)[target] = entry
        elif len(accepts) <= WAY_BYTES:
            self.plain.pop(target, None)
            ways = bounded(self._varied, TARGETS).setdefault(target, {})
            bounded(ways, WAYS)[accepts] = entry

    def forget(self, target: bytes | None) -> None:
        # The cache may have dropped it; and another thread may be faster.
        self.plain.pop(target, None)


def bounded(table: dict[K, V], most: int) -> dict[K, V]:
    """A full table is emptied: what is asked often is back at once."""
    if len(table) >= most:
        table.clear()
    return table
