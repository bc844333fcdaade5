"""Counts of all processes and threads that serve, in a file of memory that all of them share.

Facts.        A process that is killed says nothing any more, so its counts must lie where others
              have them.  Adding to a word is a read, an addition and a write: two who add to one
              word lose counts, and a lock would cost more than the addition.
Choice.       A row for each thread that serves, to which that thread alone adds.  Which process
              has a row is a record lock on one byte of the file: the kernel gives it back when its
              holder dies, however it dies (fcntl_locking(2)), and tells a reader who holds it.
              The next owner adds on: what was counted stays, and only grows.  The threads of one
              process share out the rows that it has locked.
Assumption.   No code closes descriptors that are not its own: closing any descriptor of the file
              gives up the locks of its process, and another could come to add to its rows.
              Where there are more threads than rows, those that came last share the last row, and
              may lose counts.
Cost.         A lock for each process or thread (2 us), 9 KB for each that has ever been at once.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
from collections import deque
from collections.abc import Iterator
from time import monotonic_ns
from typing import Any

from ..linux.memory_file import MemoryFile
from .engine_counters import COUNTERS, EngineCounters

COUNTS = "fivefold counts"
"""The name of the file."""

STATUSES = 1000
"""A word for each number of three digits."""
SERVER_ERRORS = 500
"""The first of them; they are the last."""

DURATIONS_NS = tuple(
    round(bound * 1e9)
    for bound in (
        *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
        *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    )
)
SIZES = (100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
"""Upper bounds of the histograms; a last bucket has no bound."""

DURATION = STATUSES
DURATION_SUM = DURATION + len(DURATIONS_NS) + 1
SIZE = DURATION_SUM + 1
SIZE_SUM = SIZE + len(SIZES) + 1
QUEUE = SIZE_SUM + 1
QUEUE_SUM = QUEUE + len(DURATIONS_NS) + 1
LATE_SUM = QUEUE_SUM + 1
"""Nanoseconds by which its ticks came too late, in all."""
OPENED = LATE_SUM + 1
CLOSED = OPENED + 1
"""Connections, as counts; those that died with their owner are closed by the next."""
IDLE = CLOSED + 1
"""Connections that wait for a request, at the last tick."""
DUE = IDLE + 1
"""When the next one is due: monotonic nanoseconds; 0 if the owner is no event loop."""
LATE = DUE + 1
"""By how much the last one came too late."""
REFUSED = LATE + 1
"""Clients beyond the limit of connections, which were answered without being served."""
LOST = REFUSED + 1
"""Processes of a worker that died unasked: acceptors and connection processes."""
ENGINE = LOST + 1
"""What its engine has counted: a word for each of `COUNTERS`."""
WORDS = ENGINE + len(COUNTERS)

WORD_BYTES = 8

LOCK = struct.Struct("hhqqi4x")
"""struct flock of 64-bit Linux: type, whence, start, length, pid."""


class Row:
    """One thread's own."""

    def __init__(self, words: memoryview) -> None:
        self.words = words
        self.connections: set[Any] = set()
        """Those that its owner serves now."""
        self.engine: EngineCounters | None = None
        """What its owner waits with, once it does."""


class Rows:
    """Make it before the first fork."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._file = MemoryFile(COUNTS)
        rows_at = count * WORD_BYTES
        size = rows_at + count * WORDS * WORD_BYTES
        os.ftruncate(self._file.fileno(), size)  # a page of it takes memory once it is used
        words = memoryview(mmap.mmap(self._file.fileno(), size)).cast("Q")
        self._used = words[:count]
        """Whether a row was ever used: to read another would make it take memory."""
        self._words = words[count:]
        self._forget()

    def _forget(self) -> None:
        """In a new process: what its parent has locked is not locked for it."""
        self._pid = os.getpid()
        self._mine = threading.local()
        self._locked: set[int] = set()
        self._free: deque[int] = deque()
        """Rows of this process whose threads have ended."""

    # runs in: a process that serves

    def own(self) -> Row:
        """The calling thread's row."""
        if os.getpid() != self._pid:
            self._forget()
        holder: Holder | None = getattr(self._mine, "holder", None)
        if holder is None:
            index = self._claimed()
            row = Row(self._words[index * WORDS : (index + 1) * WORDS])
            self._used[index] = 1
            row.words[CLOSED] = row.words[OPENED]
            row.words[IDLE] = row.words[DUE] = row.words[LATE] = 0
            holder = self._mine.holder = Holder(self._free, index, row)
        return holder.row

    def _claimed(self) -> int:
        try:
            return self._free.popleft()
        except IndexError:
            pass
        for step in range(self._count):
            index = (self._pid + step) % self._count  # processes seldom begin at the same one
            if index not in self._locked and self._locks(index):
                self._locked.add(index)
                return index
        return self._count - 1

    def _locks(self, index: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, index)
        except OSError:
            return False
        return True

    # runs in: a process that reads

    def total(self) -> list[int]:
        """The sums of all rows, by word, since the server's start."""
        rows = (self._row(index) for index in range(self._count) if self._used[index])
        return [sum(column) for column in zip([0] * WORDS, *rows, strict=True)]

    def living(self) -> Iterator[list[int]]:
        """The rows whose owners live."""
        for index in range(self._count):
            if self._used[index] and self._holder(index):
                yield self._row(index)

    def _row(self, index: int) -> list[int]:
        return self._words[index * WORDS : (index + 1) * WORDS].tolist()

    def _holder(self, index: int) -> int:
        """The process that has locked a row; 0 if none has."""
        asked = LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, index, 1, 0)
        kind, *_, pid = LOCK.unpack(fcntl.fcntl(self._file, fcntl.F_GETLK, asked))
        return 0 if kind == fcntl.F_UNLCK else pid


class Holder:
    """Lives as long as its thread, and gives the row back for the next thread."""

    def __init__(self, free: deque[int], index: int, row: Row) -> None:
        self._free = free
        self._index = index
        self.row = row

    def __del__(self) -> None:
        self._free.append(self._index)


def beat(row: Row, tick_s: float | None) -> None:
    """Write down how many connections are idle, what the engine has counted, and, of an event loop
    that ticks every `tick_s`, how late it is, and when it will tick again."""
    words = row.words
    words[IDLE] = sum(connection.idle for connection in row.connections)
    if row.engine is not None:
        row.engine.add_to(words[ENGINE:])
    if tick_s is not None:
        now = monotonic_ns()
        late = max(0, now - words[DUE]) if words[DUE] else 0
        words[DUE], words[LATE] = now + int(tick_s * 1e9), late
        words[LATE_SUM] += late
