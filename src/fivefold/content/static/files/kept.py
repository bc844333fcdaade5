"""What the folders of one worker keep in memory and open, within bounds that they share.

The least recently used goes first, whichever folder it belongs to.  The bound for open files
follows RLIMIT_NOFILE: a kept file must never be the reason why a client is not accepted.  And
where a descriptor is wanted and there is none (EMFILE, ENFILE), all kept ones that nobody
uses are given back.
"""

from __future__ import annotations

import resource
import threading
from collections import OrderedDict
from typing import Protocol

MEMORY_BYTES = 134_217_728
"""For all bodies and what is known of them together: 10,000 files of 4 KiB take 82 MB of it.
With less than a site needs, asking for one file after the other finds none of them (64 MiB:
112 us a request instead of 12)."""

OPEN_FILES = 512
"""Large files kept open at most; each costs a descriptor."""

OPEN_SHARE = 8
"""Of all descriptors, one in so many is for kept files: the others are for connections."""


class KeptItem(Protocol):
    """What is kept."""

    @property
    def cost(self) -> int:
        """Bytes of memory; the same for as long as it is kept."""

    @property
    def is_open(self) -> bool: ...
    @property
    def is_used(self) -> bool:
        """Whether somebody besides the keeper has it."""

    def give_up(self) -> None:
        """It is kept no longer. Called with the lock held."""


class KeptFiles:
    """Items, the least recently used first; `lock` is held by the caller."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self.lock = threading.RLock()  # the thread model shares it among its threads
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most_open = min(OPEN_FILES, max(soft // OPEN_SHARE, 1))
        self._memory_bytes = memory_bytes
        self._items: OrderedDict[KeptItem, None] = OrderedDict()
        self._bytes = 0
        self._open = 0

    def add(self, item: KeptItem) -> None:
        self._items[item] = None
        self._bytes += item.cost
        self._open += item.is_open
        while self._bytes > self._memory_bytes or self._open > self.most_open:
            self.remove(next(iter(self._items)))

    def used(self, item: KeptItem) -> None:
        self._items.move_to_end(item)

    def remove(self, item: KeptItem) -> None:
        del self._items[item]
        self._bytes -= item.cost
        self._open -= item.is_open
        item.give_up()

    def give_back(self) -> bool:
        """Close what nobody uses; whether there was anything. From any thread."""
        with self.lock:
            unused = [item for item in self._items if item.is_open and not item.is_used]
            for item in unused:
                self.remove(item)
        return bool(unused)
