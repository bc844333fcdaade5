"""The files of one folder that are asked for often, ready: small ones as whole responses, large
ones open.

An entry is taken on trust until the second ends, then compared with the file system
(inode, size, times) at its next use; if anything changed it is made anew.  The end of
the second is also when its `Date` expires, so one comparison checks both.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from ....http1.bounded import Bounded
from ..representations.precompressed import PATH_BYTES, Precompressed
from .beneath import open_inside
from .entry import Entry
from .kept import KeptFiles
from .open_file import FileState, OpenFile

YOUNG_BYTES = 262_144
"""For paths of files that were asked for as soon as they were written."""

NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


class FileCache:
    """Entries by path, of the folder whose descriptor is `folder`."""

    def __init__(
        self,
        folder: int,
        kept: KeptFiles | None = None,
        forget: Callable[[Entry], None] = lambda _: None,
        *,
        siblings: bool = False,
    ) -> None:
        """`kept`: the bounds, shared with other folders. `forget` is told of each entry that is
        given up. `siblings`: whether compressed files beside a file are of interest.
        """
        self._folder = folder
        self._kept = KeptFiles() if kept is None else kept
        self._lock = self._kept.lock
        self._forget = forget
        self.precompressed = Precompressed(folder, wanted=siblings)
        self._entries: dict[bytes, Entry] = {}
        self._young: Bounded[bytes, FileState] = Bounded(YOUNG_BYTES, PATH_BYTES)
        """What was sent of a file within the second after its last write."""

    def lookup(self, key: bytes) -> Entry | None:
        """The entry for a file, held for the caller, if it still is what it was."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if not self._is_unchanged(entry):
                if entry.ranged and not (
                    entry.validators.is_settled or entry.origin.date_is_shared
                ):
                    self._young.remember(entry.path, entry.origin.state, len(entry.path))
                self._kept.remove(entry)
                return None
            self._kept.used(entry)
            entry.hold()
            return entry

    def renewed(self, entry: Entry) -> bool:
        """Whether an entry of `lookup` still is what it was; that needs no holder."""
        with self._lock:
            if self._entries.get(entry.key) is not entry or not self._is_unchanged(entry):
                return False
            self._kept.used(entry)
            return True

    def _is_unchanged(self, entry: Entry) -> bool:
        try:
            status = os.stat(entry.path, dir_fd=self._folder)
            if FileState.of(status) != entry.origin.state or not entry.validators.is_settled:
                return False
            siblings = entry.siblings
            return siblings is None or self.precompressed.unchanged(entry.path, siblings)
        except OSError:
            return False

    def open(self, path: bytes) -> OpenFile:
        """Open a regular file beneath the folder, held for the caller. Raises OSError.

        IsADirectoryError for a folder; PermissionError for what is neither: opening a
        FIFO could wait for ever, so O_NONBLOCK, and a look before anything is read.
        """
        try:
            fd = open_inside(self._folder, path)
        except OSError as error:
            if error.errno not in NO_DESCRIPTOR or not self._kept.give_back():
                raise
            fd = open_inside(self._folder, path)
        try:
            return OpenFile(fd, path, self._lock, self._young.get(path))
        except BaseException:
            os.close(fd)
            raise

    def keep(self, entry: Entry) -> Entry:
        """Remember an entry, within the bounds; the caller goes on holding it."""
        with self._lock:
            previous = self._entries.get(entry.key)
            if previous is not None:
                self._kept.remove(previous)
            entry.hold()
            self._entries[entry.key] = entry
            self._kept.add(entry, self._given_up)
        return entry

    def _given_up(self, entry: Entry) -> None:
        del self._entries[entry.key]
        entry.expire()
        self._forget(entry)
        entry.drop()

    def clear(self) -> None:
        with self._lock:
            for entry in list(self._entries.values()):
                self._kept.remove(entry)
            self.precompressed.clear()
