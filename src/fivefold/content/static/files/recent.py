"""What was asked for within this second, by the request target: no path, no file, no parsing.

Three kinds of memory, because three things decide what a target leads to:

- one file, the same for all clients: found by the target alone, and good for as long as the
  file is unchanged, since the target names nothing else.
- one file in several codings: found by the target and the bytes of Accept-Encoding, which
  are few different ones, as browsers of one kind all send the same.
- what was looked for in vain (the page of `--spa`, a name of `--clean-urls`): good until the
  second ends, since the file that is sent cannot tell that another has come into being.

An entry that the cache gives up is forgotten here, too: it would hold its content.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ....http1.bounded import Bounded
from ....http1.request import Request
from ..representations.codings import accepted
from .entry import Entry

MOST_BYTES = 4_194_304
"""Of each kind."""

LONGEST_BYTES = 512
"""Of a target with its Accept-Encoding."""

K = TypeVar("K")


class Targets(Bounded[K, Entry]):
    """What leads to entries, and for each of these all that leads to it."""

    __slots__ = ("_keys",)

    def __init__(self) -> None:
        super().__init__(MOST_BYTES, LONGEST_BYTES)
        self._keys: dict[Entry, set[K]] = {}

    def lead(self, key: K, entry: Entry, size: int) -> None:
        if self.remember(key, entry, size):
            self._keys.setdefault(entry, set()).add(key)

    def lose(self, key: K) -> None:
        """And all else that leads to the same."""
        entry = self.get(key)
        if entry is not None:  # otherwise another thread was faster
            self.lose_entry(entry)

    def lose_entry(self, entry: Entry) -> None:
        for key in list(self._keys.pop(entry, ())):
            self.pop(key, None)

    def clear(self) -> None:
        super().clear()
        self._keys.clear()


class Recent:
    """Entries by target; the caller checks whether they are still fresh."""

    def __init__(self) -> None:
        self.plain: Targets[bytes | None] = Targets()
        """For all clients, whatever they accept."""
        self._varied: Targets[tuple[bytes, bytes]] = Targets()
        self._varying: Bounded[bytes, None] = Bounded(MOST_BYTES, LONGEST_BYTES)
        """Targets for which Accept-Encoding is worth looking at."""
        self._passing: Targets[bytes] = Targets()
        self._passing_until = 0.0

    def of(self, target: bytes, head: bytes, now: float) -> Entry | None:
        """The entry for a target that is not `plain`."""
        if target in self._varying:
            return self._varied.get((target, accepted(head)))
        return self._passing.get(target) if now < self._passing_until else None

    def remember(self, request: Request, entry: Entry, accepts: bytes) -> None:
        """That this entry is what the target names."""
        target = request.plain_target or request.selective_target
        if target is None:
            return
        if entry.varies:
            self.plain.lose(target)
            self._varying.remember(target, None, len(target))
            self._varied.lead((target, accepts), entry, len(target) + len(accepts))
        else:
            self._varying.pop(target, None)
            self.plain.lead(target, entry, len(target))

    def remember_for_now(
        self, request: Request, entry: Entry, accepts: bytes, until: float
    ) -> None:
        """That this entry is sent for a target that names nothing."""
        target = request.plain_target or request.selective_target
        if target is None or entry.varies:
            return self.remember(request, entry, accepts)  # for no longer than that, either
        if until > self._passing_until:
            self._passing.clear()
            self._passing_until = until
        return self._passing.lead(target, entry, len(target))

    def forget_entry(self, entry: Entry) -> None:
        """All that leads to an entry which the cache has given up."""
        tables: tuple[Targets[Any], ...] = (self.plain, self._varied, self._passing)
        for table in tables:
            table.lose_entry(entry)
