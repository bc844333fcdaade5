"""The files beside a file that hold the same, compressed beforehand.

Facts.        To ask for each of them costs three system calls per file.  Whatever is made,
              removed or renamed in a folder changes the folder's own time of change, which
              no program can set (its time of modification is set by rsync and tar).
Choice.       The names are asked for again only when the folder has changed, and the folder
              is looked at once a second, for all of its files together: whoever owns this
              calls `clear` when the second ends.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from ....http1.bounded import Bounded
from .codings import SUFFIXES

SETTLING_NS = 1_000_000_000
"""Two changes within a tick of the kernel's clock leave the same time, so a folder that was
changed so recently is not known yet."""

FOLDERS_BYTES = 1_048_576
"""Of folders that are remembered."""

PATH_BYTES = 4096
"""PATH_MAX: no longer path can be opened."""

State = tuple[int, int, int]
"""Device, inode and time of change of a folder; the last is 0 if it is too recent."""


class Siblings(NamedTuple):
    """What lay beside a file."""

    codings: tuple[bytes, ...] = ()
    since: State = (0, 0, 0)
    """The folder as it was then."""


class Precompressed:
    """Looks beside the files of one folder and its folders."""

    def __init__(self, folder: int, *, wanted: bool) -> None:
        """`wanted`: whether compressed files are of interest at all."""
        self._folder = folder
        self._wanted = wanted
        self._states: Bounded[bytes, State] = Bounded(FOLDERS_BYTES, PATH_BYTES)

    def clear(self) -> None:
        """The second is over, or the folder is another one."""
        self._states.clear()

    def look(self, path: bytes) -> Siblings:
        """Whether one of them may be read turns out when it is opened. Raises OSError."""
        if not self._wanted:
            return Siblings()
        since = self._since(path)  # before: what comes in between is then noticed
        found = tuple(
            coding
            for coding, suffix in SUFFIXES.items()
            if os.access(path + suffix, os.F_OK, dir_fd=self._folder, follow_symlinks=False)
        )
        return Siblings(found, since)

    def unchanged(self, path: bytes, before: Siblings) -> bool:
        """Raises OSError."""
        if not self._wanted or (before.since[2] and before.since == self._since(path)):
            return True
        return self.look(path).codings == before.codings

    def _since(self, path: bytes) -> State:
        folder = os.path.dirname(path)  # noqa: PTH120 - bytes
        known = self._states.get(folder)
        if known is not None:
            return known
        status = os.stat(folder or b".", dir_fd=self._folder)
        recent = time.time_ns() - status.st_ctime_ns < SETTLING_NS
        state = (status.st_dev, status.st_ino, 0 if recent else status.st_ctime_ns)
        self._states.remember(folder, state, len(folder))
        return state
