"""An open regular file: its holders, whether it is still the same, what is in a small one."""

from __future__ import annotations

import errno
import os
import stat
import time
from threading import RLock
from typing import NamedTuple, Self

from ....errors import FileChanged, FileShrank
from ....http1.stream import HttpConnection
from ....iomodels.interface import File

SMALL_BYTES = 65536
"""Up to this size a file is kept in memory with its head; above it sendfile is cheaper."""

QUIET_S = 0.01
"""More than a tick of the clock by which Linux tells the time of a write (4 ms, 10 ms at most)."""


class FileState(NamedTuple):
    """Another one whenever the content may have changed."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        return cls(
            *(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        )


class OpenFile(File):
    """Its opener is its first holder. Each holder calls `drop` once, or passes the file on to
    one that does; the last one closes it. What is known of it stays."""

    __slots__ = (
        *("_lock", "date_is_shared", "holders", "is_cut_short", "opened_s"),
        *("path", "state"),
    )

    def __init__(
        self, fd: int, path: bytes, lock: RLock, previous: FileState | None = None
    ) -> None:
        """`lock`: for the count of holders. `previous`: a version that a client may have.

        Raises OSError for what is no regular file, and leaves `fd` open then.
        """
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "a folder")
        if not stat.S_ISREG(status.st_mode):
            raise PermissionError(errno.EACCES, "not a regular file")
        super().__init__(fd, status.st_size)
        self.path = path
        self.opened_s = time.time()
        self.state = state = FileState.of(status)
        self.date_is_shared = (
            previous is not None
            and previous != state
            and previous.modified_ns // 10**9 == state.modified_ns // 10**9
        )
        """Whether a client may have another version with the same Last-Modified."""
        self.is_cut_short = False
        """Whether it ended before its size: the kernel makes it when it is read."""
        self.holders = 1
        self._lock = lock

    def hold(self) -> bool:
        """One holder more; False if it was closed meanwhile."""
        with self._lock:
            if self.holders == 0:
                return False
            self.holders += 1
            return True

    def drop(self) -> None:
        """One holder less."""
        with self._lock:
            self.holders -= 1
            if self.holders == 0:
                os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    def check(self) -> None:
        """Raises `FileChanged` if it is no longer what it was when it was opened.

        Removing or replacing it does not count: what is open stays.
        """
        found, known = os.fstat(self.fd), self.state
        if found.st_mtime_ns != known.modified_ns or found.st_size != known.size:
            raise FileChanged(os.fsdecode(self.path))

    async def small_content(self, conn: HttpConnection) -> bytes | None:
        """All of it; None for a large file. Raises OSError, `FileChanged`.

        A writer that is at it leaves states that are none (a new beginning before the old end),
        so what was written to just now must stay as it is for a moment.
        """
        if self.size > SMALL_BYTES:
            return None
        content = await self.read(conn)
        if abs(time.time() - self.state.modified_ns / 1e9) < QUIET_S:
            await conn.io.sleep(QUIET_S)
            if await self.read(conn) != content:
                raise FileChanged(f"{self.path!r} while it was read")
        return content

    async def read(self, conn: HttpConnection) -> bytes:
        """All of it, whatever its size. Raises OSError, `FileChanged`, `FileShrank`."""
        content = await conn.read_file(self, 0, self.size)
        self.check()
        if len(content) < self.size:
            if os.fstat(self.fd).st_blocks:
                raise FileShrank(f"{self.path!r} while it was read")
            # A file of sysfs: its size is a page, and no block on any disk is behind it.
            self.is_cut_short = True
        return content
