"""What a worker that drains still has to do, and that one cannot go on, in numbers that its
supervisor sees.

Facts.        A worker that leaves may be busy, stopped or stuck, and the person who has asked for
              the end wants to know what it waits for.
Choice.       A page of shared memory for each worker, made before the fork, in which only one
              process writes: the one that has the connections, or the forker of `process`, which
              counts those of its processes that have one.
Assumption.   Eight bytes in a row are written at once (x86, ARM); else a number may be wrong for a
              moment, in a line of the log.
Cost.         4 KiB for each worker; nothing until it is asked to leave.
"""

from __future__ import annotations

import mmap
import struct

COUNT = struct.Struct("@q")
OPEN, CUT, HUNG = 0, COUNT.size, 2 * COUNT.size
"""Where the numbers are."""


class Draining:
    """Both sides have it. Raises OSError (no memory)."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 3 * COUNT.size)

    # runs in: the worker

    def left(self, connections: int) -> None:
        """So many connections have not ended yet."""
        COUNT.pack_into(self._memory, OPEN, connections)

    def have_been_cut(self, connections: int) -> None:
        """So many more had to be cut in the middle of an exchange."""
        COUNT.pack_into(self._memory, CUT, self.cut + connections)

    def hangs(self) -> None:
        """Its application does not give back what it has got, and this worker cannot help it."""
        COUNT.pack_into(self._memory, HUNG, 1)

    # runs in: the supervisor

    @property
    def is_hung(self) -> bool:
        """Whether it asks to be replaced."""
        return bool(COUNT.unpack_from(self._memory, HUNG)[0])

    @property
    def open(self) -> int:
        """How many connections a worker that leaves still serves."""
        return int(COUNT.unpack_from(self._memory, OPEN)[0])

    @property
    def cut(self) -> int:
        """How many it has cut."""
        return int(COUNT.unpack_from(self._memory, CUT)[0])

    def close(self) -> None:
        self._memory.close()
