"""What is asked often, ready: small files as whole responses, large ones as open files.

An entry is taken on trust until the second ends, then compared with the file system
(inode, size, times) at its next use; if anything changed it is made anew.  The end of
the second is also when its `Date` expires, so one comparison checks both.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from collections import OrderedDict

from ..errors import FileChanged
from ..iomodels.base import File
from .opening import open_inside
from .siblings import Beside, Siblings

SMALL_BYTES = 65536
"""Up to this size a file is kept in memory with its head; above it sendfile is cheaper."""

MEMORY_BYTES = 67_108_864
"""For all bodies together; the least recently used go first."""

OPEN_FILES = 512
"""Large files kept open; each costs a descriptor."""

SETTLING_S = 1.0
"""A write changes the time first and the bytes after it, so what is read in between looks
like the final state. A file that was written so recently is read again."""

Answer = bytes | tuple[bytes, int, int]
"""All of a response; or its head, and offset and count of what follows from a large file."""

Identity = tuple[int, int, int, int, int]


def identity(status: os.stat_result) -> Identity:
    """Changes whenever the content may have changed."""
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


class Entry:
    """One file as it was when it was last looked at.

    `file` is open for a large file, the content of a small one is `in_memory`. Of a file that is
    offered in several codings there are several entries, told apart by `key`.
    `uses` counts who may still read `file`: the cache, and each response under way.
    """

    def __init__(self, path: bytes, identity: Identity, size: int, mtime: float) -> None:
        """`size` is that of what is sent, `identity` that of the file which it is made from."""
        self.path = path
        self.key = path
        self.coding = b""
        """The content coding of what is sent; empty for the file as it is."""
        self.compressible = False
        self.siblings = Siblings()
        self.varies = False
        """Whether other clients may get another coding."""
        self.hopeless: set[bytes] = set()
        """Codings that would not make it smaller."""
        self.identity = identity
        self.size = size
        self.mtime = mtime
        self.settled = time.time() - mtime > SETTLING_S
        """Whether the last write was long over when the file was opened."""
        self.file: File | None = None
        self.in_memory = False
        self.etag = b""
        self.validators: list[tuple[bytes, bytes]] = []
        """With all that a 304 repeats."""
        self.fields: list[tuple[bytes, bytes]] = []
        """Content-Type first, then the validators and the rest."""
        self.lines = b""
        """The head of a response to a plain GET, but for its Date."""
        self.whole = b""
        """The response to a plain GET with the Date of this second; of a large file its head.
        What is in memory ends it, and is nowhere else."""
        self.answers: dict[object, Answer] = {}
        """By request, with the Date of this second: to conditional requests and for ranges."""
        self.fresh_until = 0.0
        """Monotonic seconds until which nothing needs to be checked."""
        self.uses = 0

    def check(self) -> None:
        """Raises `FileChanged` if the open file is no longer what it was when it was opened.

        Removing or replacing it does not count: what is open stays.
        """
        assert self.file is not None
        status = os.fstat(self.file.fd)
        known = self.identity
        if status.st_mtime_ns != known[3] or status.st_size != known[2]:
            self.fresh_until = 0.0
            raise FileChanged(os.fsdecode(self.path))

    @property
    def weak(self) -> bool:
        """Whether nobody can promise the same bytes again: compressed on the fly."""
        return self.etag.startswith(b"W/")

    def content(self, offset: int, count: int) -> bytes:
        """A part of what is in memory."""
        whole = self.whole  # one look: another thread may put another head before it
        start = len(whole) - self.size + offset
        return whole[start : start + count]

    def dated(self, head: bytes) -> None:
        """Put this head before the content."""
        if self.in_memory:
            whole = self.whole
            head = b"".join((head, memoryview(whole)[len(whole) - self.size :]))
        self.whole = head

    @property
    def cost(self) -> int:
        """Bytes of memory."""
        return self.size + 1024 if self.in_memory else 0


class FileCache:
    """Entries by path, least recently used first."""

    def __init__(self, folder: int, *, siblings: bool = False) -> None:
        """`siblings`: whether compressed files beside a file are of interest."""
        self._folder = folder
        self.beside = Beside(folder, wanted=siblings)
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()
        self._bytes = 0
        self._open = 0
        self._lock = threading.Lock()  # the thread model shares one cache among its threads

    def lookup(self, key: bytes) -> Entry | None:
        """The entry for a file, held for the caller, if it still is what it was."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if not self._unchanged(entry):
                self._remove(entry)
                return None
            self._entries.move_to_end(key)
            entry.uses += 1
            return entry

    def renewed(self, entry: Entry) -> bool:
        """Whether an entry of `lookup` still is what it was; nobody holds it for that."""
        with self._lock:
            if not entry.uses or not self._unchanged(entry):
                return False
            self._entries.move_to_end(entry.key)
            return True

    def _unchanged(self, entry: Entry) -> bool:
        try:
            status = os.stat(entry.path, dir_fd=self._folder)
            if identity(status) != entry.identity or not entry.settled:
                return False
            return not entry.compressible or self.beside.unchanged(entry.path, entry.siblings)
        except OSError:
            return False

    def open(self, path: bytes) -> Entry:
        """Open a regular file beneath the folder, held for the caller. Raises OSError.

        IsADirectoryError for a folder; PermissionError for what is neither: opening a
        FIFO could wait for ever, so O_NONBLOCK, and a look before anything is read.
        """
        fd = open_inside(self._folder, path)
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(path)
            raise PermissionError(errno.EACCES, "not a regular file")
        entry = Entry(path, identity(status), status.st_size, status.st_mtime)
        entry.file = File(fd, status.st_size)
        entry.uses = 1
        return entry

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
            self._drop(entry)

    def _drop(self, entry: Entry) -> None:
        entry.uses -= 1
        if entry.uses == 0:
            self.close_file(entry)

    def close_file(self, entry: Entry) -> None:
        if entry.file is not None:
            os.close(entry.file.fd)
            entry.file = None

    def keep(self, entry: Entry) -> None:
        """Remember an entry, within the bounds."""
        with self._lock:
            previous = self._entries.get(entry.key)
            if previous is not None:
                self._remove(previous)
            entry.uses += 1
            self._entries[entry.key] = entry
            self._bytes += entry.cost
            self._open += not entry.in_memory
            while self._bytes > MEMORY_BYTES or self._open > OPEN_FILES:
                self._remove(next(iter(self._entries.values())))

    def _remove(self, entry: Entry) -> None:
        del self._entries[entry.key]
        self._bytes -= entry.cost
        self._open -= not entry.in_memory
        entry.fresh_until = 0.0
        self._drop(entry)

    def clear(self) -> None:
        with self._lock:
            while self._entries:
                self._remove(next(iter(self._entries.values())))
