"""Which pages of a file are in memory: cachestat(2) and preadv2(2) with RWF_NOWAIT.

cachestat (Linux 6.5) counts the cached pages of a range without touching them.
RWF_NOWAIT (4.14) reads only what is cached; where it meets a hole it says EAGAIN, and
has then already started the read-ahead (measured: the same call succeeds 10 ms later).
"""

from __future__ import annotations

import ctypes
import errno
import os

from .libc import checked, libc

SYS_CACHESTAT = 451  # the same on every architecture (asm-generic/unistd.h)
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

CAN_TELL = hasattr(os, "RWF_NOWAIT")
"""Whether a read can be asked not to wait: a C library without preadv2(2), such as musl before
1.2.5, has none."""

REFUSALS = {
    errno.ENOSYS: "cachestat(2) needs Linux 6.5, and a sandbox that lets it pass",
    errno.EPERM: "cachestat(2) tells only the file's owner and those who may write to it",
}
"""Why the kernel does not say what is in memory, and so what would help."""


def refusal(error: OSError) -> str:
    """Why `cached_pages` failed, in words."""
    return REFUSALS.get(error.errno or 0, f"cachestat(2): {error.strerror}")


class _Range(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_uint64), ("length", ctypes.c_uint64))


class _Counts(ctypes.Structure):
    """struct cachestat, include/uapi/linux/mman.h."""

    _fields_ = (
        ("cached", ctypes.c_uint64),
        ("dirty", ctypes.c_uint64),
        ("writeback", ctypes.c_uint64),
        ("evicted", ctypes.c_uint64),
        ("recently_evicted", ctypes.c_uint64),
    )


def cached_pages(fd: int, offset: int, count: int) -> int:
    """How many pages of the range are in the page cache. Raises OSError (`REFUSALS`)."""
    counts = _Counts()
    where = _Range(offset, count)
    checked(
        libc.syscall(
            ctypes.c_long(SYS_CACHESTAT), fd, ctypes.byref(where), ctypes.byref(counts), 0
        ),
        "cachestat",
    )
    return int(counts.cached)


def pages_of(offset: int, count: int) -> int:
    """How many pages the byte range touches."""
    return (offset + count - 1) // PAGE_BYTES - offset // PAGE_BYTES + 1 if count else 0


def read_cached(fd: int, offset: int, buffer: bytearray | memoryview) -> int:
    """Read what is cached, never wait. Raises BlockingIOError where nothing is, or where
    it cannot be known: this Python was built without preadv2 (`CAN_TELL`).

    Kernels 5.9 and 5.10 may return 0 short of the end of the file (preadv2(2), BUGS).
    File systems that do not know RWF_NOWAIT (tmpfs, overlayfs: EOPNOTSUPP) are read plainly:
    tmpfs cannot wait, the others may.
    """
    if not CAN_TELL:
        raise BlockingIOError(errno.EAGAIN, "this Python has no os.RWF_NOWAIT")
    try:
        return os.preadv(fd, [buffer], offset, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return os.preadv(fd, [buffer], offset)


def evict(fd: int) -> None:
    """Drop the clean pages of a file, so that the next read is cold (for tests and `--cold`)."""
    os.fdatasync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
