"""Which connection processes have a connection, as their forker sees it: what a stop waits for.

Facts.        The processes that are left are more than the connections for a while: an idle one
              takes as long to end as a busy machine lets it, and one that is stuck says nothing.
Choice.       A byte for each in a page of shared memory, which it sets before it serves and clears
              after that.
Assumption.   One that dies in between has its byte cleared with its place, for the next one.
Cost.         Two stores for a connection; a page for each worker.
"""

from __future__ import annotations

import mmap
from typing import NamedTuple


class Occupancy(NamedTuple):
    """Of one connection process."""

    memory: mmap.mmap
    at: int

    # runs in: the child

    def take(self) -> None:
        """It has a connection."""
        self.memory[self.at] = 1

    def give_back(self) -> None:
        """The connection has ended."""
        self.memory[self.at] = 0


class Occupied:
    """Of one worker, in its forker."""

    def __init__(self, most: int) -> None:
        """`most` processes at once. Raises OSError (no memory)."""
        self._memory = mmap.mmap(-1, most)
        self._places: dict[int, Occupancy] = {}
        """By process id."""

    def new(self) -> Occupancy:
        """For a process that will be forked."""
        taken = {place.at for place in self._places.values()}
        place = Occupancy(
            self._memory, next(at for at in range(len(self._memory)) if at not in taken)
        )
        place.give_back()
        return place

    def began(self, pid: int, place: Occupancy) -> None:
        """The process has been forked."""
        self._places[pid] = place

    def ended(self, pid: int) -> None:
        """The process has been reaped."""
        self._places.pop(pid, None)

    def __len__(self) -> int:
        """Of those that are left."""
        return sum(self._memory[place.at] for place in self._places.values())
