"""memfd_create(2): a file without a name, which all processes of a server share from before the
first fork (fallocate(2), FALLOC_FL_PUNCH_HOLE)."""

from __future__ import annotations

import ctypes
import os
import weakref

from .libc import checked, libc

PUNCH_HOLE, KEEP_SIZE = 2, 1


class MemoryFile:
    """Closed at the latest when nothing refers to it any more: a program may make many servers, one
    by one."""

    def __init__(self, name: str) -> None:
        self._fd = os.memfd_create(name, os.MFD_CLOEXEC)
        # At the end of a process the kernel does it.
        self.close = weakref.finalize(self, os.close, self._fd)
        self.close.atexit = False

    def fileno(self) -> int:
        return self._fd

    def empty(self, start: int, length: int) -> None:
        """Let these bytes be zeros that take no memory. Raises OSError."""
        at = ctypes.c_longlong(start), ctypes.c_longlong(length)
        checked(libc.fallocate(self._fd, PUNCH_HOLE | KEEP_SIZE, *at), "fallocate")
