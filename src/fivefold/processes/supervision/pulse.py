"""The pulse of a worker: whether any of its threads still takes turns (`stuck_s`).

Facts.        A worker whose only thread never gets back to its I/O model (a handler that loops, a
              lock that no thread gives back), or in which C code holds the GIL for ever, answers
              no client and hears no signal.  Its clients are lost; new ones are served by other
              workers, if there are any (`stealing`).  Nothing in it can be asked.
Choice.       Eight bytes of shared memory for each worker.  The thread that takes turns there, its
              threads and its processes, writes the time at each tick of its I/O model; the
              supervisor looks at it, and ends a worker that has not written for `stuck_s`, after
              a second look: where the whole server was stopped (a debugger, a frozen container)
              the supervisor may go on first.
Assumption.   No handler may take so long where one thread runs all connections; where many do, not
              all of them at once.  Only the user knows, so by default no worker is ended.  One
              connection process that hangs, or one thread of many, is not noticed: it holds
              its own connection, and no other.
Cost.         A write to memory in each tick, 0.3 us; nothing without the setting.
"""

from __future__ import annotations

import math
import mmap
import struct
from time import monotonic

SECOND_LOOK_S = 1.0
"""A tick is at most a second (`server.upkeep.tick`)."""

TIME = struct.Struct("d")


class Pulse:
    """Made before the fork; both sides have it. Raises OSError (no memory)."""

    def __init__(self, stuck_s: float) -> None:
        self._stuck_s = stuck_s
        self._memory = mmap.mmap(-1, TIME.size)
        self._missed = math.inf
        """The last beat when it was first missed."""
        self._again_at = 0.0
        self.beat()

    # runs in: the worker

    def beat(self) -> None:
        TIME.pack_into(self._memory, 0, monotonic())

    # runs in: the supervisor

    @property
    def _last(self) -> float:
        last: float = TIME.unpack_from(self._memory, 0)[0]
        return last

    @property
    def due(self) -> float:
        """When to look again."""
        last = self._last
        return self._again_at if last == self._missed else last + self._stuck_s

    def has_stopped(self, now: float) -> bool:
        if now < self.due:
            return False
        last = self._last
        if last == self._missed:
            return True
        self._missed, self._again_at = last, now + SECOND_LOOK_S
        return False

    def silence(self, now: float) -> float:
        """Seconds since the last beat."""
        return now - self._last

    def close(self) -> None:
        self._memory.close()
