"""Opening the log anew: a page of memory that all processes of a server share.

SIGUSR1 comes to the supervisor, which turns the page before it passes the signal on.  The
page is the truth: a process that is about to write looks at it, so no line that is written after
the signal goes to the old file, whatever process had which signal when.  The signal itself
only wakes those that have nothing to write, so that they do not keep the old file open.
"""

from __future__ import annotations

import mmap


class Rotation:
    """Make it before the first fork. Only the supervisor calls `turn`."""

    def __init__(self) -> None:
        self._words = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")

    @property
    def number(self) -> int:
        """How often the log was to be opened anew."""
        return self._words[0]

    def turn(self) -> None:
        self._words[0] += 1
