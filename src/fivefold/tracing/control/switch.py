"""A page of memory that all processes of a server share: whether a tracer is there, and why.

Only the control process writes it.  A worker looks at it when a signal says so, and
when a connection begins, never during a request.
"""

from __future__ import annotations

import mmap
import signal
from dataclasses import dataclass

from ...linux.processes import catches, processes_of_tree

NOTICE = signal.SIGURG
"""Says: look at the switch."""

GENERATION, COUNT, LENGTH = range(3)
"""The words of the page, 8 bytes each; behind them stands the pattern."""

PATTERN_AT = 64
LONGEST_PATTERN = 2048


def looking(server: int) -> set[int]:
    """The processes of a server that look at its switch; a supervisor's handler is a program's."""
    return {pid for pid in processes_of_tree(server) - {server} if catches(pid, NOTICE)}


@dataclass(frozen=True)
class Wanted:
    """What a tracer wants to see."""

    pattern: str
    """A glob for the path of the request; "" for every one."""
    count: int
    """Of so many requests it will take the traces."""


class Switch:
    """Make it before the first fork."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._words = memoryview(self._page).cast("Q")

    @property
    def generation(self) -> int:
        """Grows with each attaching and each detaching; odd while a tracer is attached."""
        return self._words[GENERATION]

    def wanted(self) -> Wanted:
        pattern = bytes(self._page[PATTERN_AT : PATTERN_AT + self._words[LENGTH]])
        return Wanted(pattern.decode(), self._words[COUNT])

    def turn_on(self, wanted: Wanted) -> None:
        """Raises `ValueError` for a pattern that is too long."""
        pattern = wanted.pattern.encode()
        if len(pattern) > LONGEST_PATTERN:
            raise ValueError(f"a pattern may have {LONGEST_PATTERN} bytes")
        self._page[PATTERN_AT : PATTERN_AT + len(pattern)] = pattern
        self._words[LENGTH] = len(pattern)
        self._words[COUNT] = wanted.count
        self._words[GENERATION] += 1  # last: a worker that sees it sees the rest

    def turn_off(self) -> bool:
        """Whether it was on."""
        was_on = bool(self.generation & 1)
        self._words[GENERATION] += was_on
        return was_on
