"""The files beside a file that hold the same, compressed beforehand.

Facts.        To ask for each of them costs three system calls per file.  Whatever is made,
              removed or renamed in a folder changes the folder's own modification time.
Choice.       The names are asked for again only when the folder has changed, and the folder
              is looked at twice a second at most, for all of its files together.
Cost.         A file that is compressed now may be noticed half a second later than others.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from .codings import SUFFIXES

LOOK_S = 0.5

SETTLING_NS = 1_000_000_000
"""Two changes within a tick of the kernel's clock leave the same time, so a folder that was
changed so recently is not known yet."""

FOLDERS = 1024
"""Folders that are remembered."""


class Siblings(NamedTuple):
    """What lay beside a file."""

    codings: tuple[bytes, ...] = ()
    since: int = 0
    """The folder's modification time then, in ns; 0 if it was too recent to be relied on."""


class Beside:
    """Looks beside the files of one folder and its folders."""

    def __init__(self, folder: int, *, wanted: bool) -> None:
        """`wanted`: whether compressed files are of interest at all."""
        self._folder = folder
        self._wanted = wanted
        self._changed: dict[bytes, tuple[float, int]] = {}

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
        if not self._wanted or (before.since and before.since == self._since(path)):
            return True
        return self.look(path).codings == before.codings

    def _since(self, path: bytes) -> int:
        folder, now = os.path.dirname(path), time.monotonic()  # noqa: PTH120 - bytes
        until, since = self._changed.get(folder, (0.0, 0))
        if now < until:
            return since
        since = os.stat(folder or b".", dir_fd=self._folder).st_mtime_ns
        if time.time_ns() - since < SETTLING_NS:
            since = 0
        if len(self._changed) >= FOLDERS:
            self._changed.clear()
        self._changed[folder] = (now + LOOK_S, since)
        return since
