"""memfd_create(2): a file without a name, which all processes of a server share from before the
first fork."""

from __future__ import annotations

import os
import weakref


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
