"""What is remembered by keys that come from clients: a dictionary with a bound in bytes.

Choice.       A full table is emptied.  That costs less than keeping an order, and what is
              asked often is back at once.  Looking is `dict.get`, in C;
              code that looks for each request keeps that bound method, because CPython 3.11
              calls a method of dict on a subclass 50 ns more slowly, and calls it by a local name,
              because it looks for what an attribute holds among the methods first (25 ns).
Assumption.   The caller that puts something in says how many bytes its key and value hold; objects
              around them are counted at `ENTRY_BYTES`.  Several threads may put at once: the
              count may then miss one of them until the table is emptied.
"""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

ENTRY_BYTES = 256
"""Of an entry besides: a key object (33 bytes and more) and a slot of a dictionary that has
just doubled (100 bytes and more), measured on CPython 3.11."""


class Bounded(dict[K, V]):
    """Holds `most_bytes` at most, and nothing that is longer than `longest_bytes`."""

    __slots__ = ("_bytes", "_longest", "_most")

    def __init__(self, most_bytes: int, longest_bytes: int = 1024) -> None:
        super().__init__()
        self._most = most_bytes
        self._longest = longest_bytes
        self._bytes = 0

    def remember(self, key: K, value: V, size: int) -> bool:
        """Whether it was short enough; `size` is what key and value hold, in bytes."""
        if size > self._longest:
            return False
        if key not in self:
            size += ENTRY_BYTES
            if self._bytes + size > self._most:
                self.clear()
            self._bytes += size
        self[key] = value
        return True

    def clear(self) -> None:
        super().clear()
        self._bytes = 0
