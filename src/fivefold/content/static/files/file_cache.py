"""The files of one folder that are asked for often, ready: small ones as whole responses, large
ones open.

An entry is taken on trust until the second ends, then compared with the file system
(inode, size, times) at its next use; if anything changed it is made anew.  The end of
the second is also when its `Date` expires, so one comparison checks both.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from ....http1.bounded import Bounded
from ..representations.precompressed import PATH_BYTES, Precompressed
from .beneath import open_inside
from .entry import Entry, Identity, identity
from .kept import KeptFiles

YOUNG_BYTES = 262_144
"""For paths of files that were asked for as soon as they were written."""

NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


def _nothing(entry: Entry) -> None:
    """What is done with an entry that is given up, unless somebody wants more."""


class FileCache:
    """Entries by path, of the folder whose descriptor is `folder`."""

    def __init__(
        self,
        folder: int,
        kept: KeptFiles | None = None,
        forget: Callable[[Entry], None] = _nothing,
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
        self._young: Bounded[bytes, Identity] = Bounded(YOUNG_BYTES, PATH_BYTES)
        """What was sent of a file within the second after its last write."""

    def lookup(self, key: bytes) -> Entry | None:
        """The entry for a file, held for the caller, if it still is what it was."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if not self._unchanged(entry):
                if not (entry.settled or entry.date_is_shared):
                    self._young.remember(key, entry.identity, len(key))
                self._kept.remove(entry)
                return None
            self._kept.used(entry)
            entry.uses += 1
            return entry

    def renewed(self, entry: Entry) -> bool:
        """Whether an entry of `lookup` still is what it was; nobody holds it for that."""
        with self._lock:
            if self._entries.get(entry.key) is not entry or not self._unchanged(entry):
                return False
            self._kept.used(entry)
            return True

    def _unchanged(self, entry: Entry) -> bool:
        try:
            status = os.stat(entry.path, dir_fd=self._folder)
            if identity(status) != entry.identity or not entry.settled:
                return False
            return not entry.compressible or self.precompressed.unchanged(
                entry.path, entry.siblings
            )
        except OSError:
            return False

    def open(self, path: bytes) -> Entry:
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
            entry = Entry(path, of_a_file(fd), fd)
        except BaseException:
            os.close(fd)
            raise
        entry.date_is_shared = self._is_date_shared(entry)
        return entry

    def _is_date_shared(self, entry: Entry) -> bool:
        """Whether another version with the same date has been sent."""
        young, now = self._young.get(entry.path), entry.identity
        return young is not None and young != now and young[3] // 10**9 == now[3] // 10**9

    def hold(self, entry: Entry) -> bool:
        """One more use; False if the entry was given up meanwhile."""
        with self._lock:
            if entry.uses == 0:
                return False
            entry.uses += 1
            return True

    def drop(self, entry: Entry) -> None:
        """One use less; the last one out closes the file."""
        with self._lock:
            entry.drop()

    def keep(self, entry: Entry) -> None:
        """Remember an entry, within the bounds."""
        with self._lock:
            previous = self._entries.get(entry.key)
            if previous is not None:
                self._kept.remove(previous)
            entry.uses += 1
            entry.on_given_up = self._given_up
            self._entries[entry.key] = entry
            self._kept.add(entry)

    def _given_up(self, entry: Entry) -> None:
        del self._entries[entry.key]
        self._forget(entry)

    def clear(self) -> None:
        with self._lock:
            for entry in list(self._entries.values()):
                self._kept.remove(entry)
            self.precompressed.clear()


def of_a_file(fd: int) -> os.stat_result:
    """Raises OSError for what is no regular file."""
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "a folder")
    if not stat.S_ISREG(status.st_mode):
        raise PermissionError(errno.EACCES, "not a regular file")
    return status
