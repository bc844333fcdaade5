"""What the folders of one worker keep in memory and open, within bounds that they share.

The least recently used goes first, whichever folder it belongs to.  The bound for open files
follows RLIMIT_NOFILE: a kept file must never be the reason why a client is not accepted.  And
where a descriptor is wanted and there is none (EMFILE, ENFILE), all kept ones that nobody
uses are given back.
"""

from __future__ import annotations

import os
import resource
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from .entry import Entry

MEMORY_BYTES = 134_217_728
"""For all bodies and what is known of them together: 10,000 files of 4 KiB take 82 MB of it.
With less than a site needs, asking for one file after the other finds none of them (64 MiB:
112 us a request instead of 12)."""

OPEN_FILES = 512
"""Large files kept open at most; each costs a descriptor."""

OPEN_SHARE = 8
"""Of all descriptors, one in so many is for kept files: the others are for connections."""

GiveUp = Callable[[Entry], None]
"""What is done with an entry that is kept no longer; the lock is held."""


class KeptFiles:
    """Entries, the least recently used first; `lock` is held by the caller."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self.lock = threading.RLock()  # the thread model shares it among its threads
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.most_open = min(OPEN_FILES, max(soft // OPEN_SHARE, 1))
        self._memory_bytes = memory_bytes
        self._entries: OrderedDict[Entry, GiveUp] = OrderedDict()
        self._bytes = 0
        self._open = 0

    def add(self, entry: Entry, give_up: GiveUp) -> None:
        self._entries[entry] = give_up
        self._bytes += entry.cost
        self._open += not entry.in_memory
        while self._bytes > self._memory_bytes or self._open > self.most_open:
            self.remove(next(iter(self._entries)))

    def used(self, entry: Entry) -> None:
        self._entries.move_to_end(entry)

    def remove(self, entry: Entry) -> None:
        give_up = self._entries.pop(entry)
        self._bytes -= entry.cost
        self._open -= not entry.in_memory
        give_up(entry)

    def give_back(self) -> bool:
        """Close what is not in use; whether there was anything. From any thread."""
        with self.lock:
            unused = [entry for entry in self._entries if not (entry.in_memory or entry.is_used)]
            for entry in unused:
                self.remove(entry)
        return bool(unused)


@dataclass(frozen=True)
class Shared:
    """What the folders of one worker have in common: target, mounts and hosts together."""

    base: str = ""
    """The absolute path of the folder from which relative ones are seen."""
    in_event_loop: bool = False
    """Whether one thread serves all connections, so that what takes long must not be done in it."""
    kept: KeptFiles = field(default_factory=KeptFiles)

    def path(self, folder: str) -> str:
        return os.path.join(self.base, folder)  # noqa: PTH118 - as it is written


ALONE = Shared()
"""Of a folder by itself, as tests have it."""
