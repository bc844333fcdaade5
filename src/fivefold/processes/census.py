"""What a supervisor knows of its workers, in a page of memory that other processes may read.

Only the supervisor writes it.  A process that answers for the server (`status`) reads it without
asking the supervisor, which waits for signals and nothing else.
"""

from __future__ import annotations

import mmap

SLOTS, READY, STARTED, DIED, DRAINING, ACCOMPANIED = range(6)
"""The words of the page, 8 bytes each."""


class Census:
    """Make it before the first fork."""

    def __init__(self) -> None:
        self._words = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")

    # runs in: the supervisor

    def started(self) -> None:
        """A worker was forked."""
        self._words[STARTED] += 1

    def died(self) -> None:
        """A worker ended that no process had asked to."""
        self._words[DIED] += 1

    def count(self, ready: int, slots: int) -> None:
        """So many of so many workers are ready; with one of them this server stands for itself."""
        self._words[SLOTS], self._words[READY] = slots, ready
        if self.ready:
            self.accompanied(False)

    def drain(self) -> None:
        """From now on no worker is ready, whatever is counted later."""
        self._words[DRAINING] = 1

    def accompanied(self, yes: bool) -> None:  # noqa: FBT001 - what it says of this server
        """Whether another server serves at the same addresses: the one that this one replaces, or
        that replaces this one."""
        self._words[ACCOMPANIED] = yes

    # runs in: whatever process wants to know

    @property
    def forked(self) -> int:
        return self._words[STARTED]

    @property
    def lost(self) -> int:
        return self._words[DIED]

    @property
    def slots(self) -> int:
        return self._words[SLOTS]

    @property
    def ready(self) -> int:
        """Workers that accept connections now; none as soon as the server begins to stop."""
        return 0 if self.draining else self._words[READY]

    @property
    def is_accompanied(self) -> bool:
        return bool(self._words[ACCOMPANIED])

    @property
    def draining(self) -> bool:
        return bool(self._words[DRAINING])
