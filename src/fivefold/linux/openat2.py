"""Opening a file that cannot lie outside a folder: openat2(2), Linux 5.6.

RESOLVE_BENEATH lets the kernel refuse every step out of the folder, by `..` or by a
symbolic link, in the same walk that opens the file: no check can be outrun.
"""

from __future__ import annotations

import ctypes
import errno
import os

from .libc import checked, libc

SYS_OPENAT2 = 437  # the same on every architecture
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_BENEATH = 0x08


class _OpenHow(ctypes.Structure):
    """struct open_how, include/uapi/linux/openat2.h."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_beneath(folder: int, path: bytes, flags: int) -> int:
    """Open the relative `path` inside the folder (a descriptor).

    Raises OSError: EXDEV for a path that leads out, EAGAIN if something on this machine was
    renamed during a step to `..` (openat2(2): the caller may try again), ENOSYS before
    Linux 5.6, and those of open(2).
    """
    how = _OpenHow(flags | os.O_CLOEXEC, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
    while True:
        result = libc.syscall(
            ctypes.c_long(SYS_OPENAT2),
            folder,
            ctypes.c_char_p(path),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if result >= 0 or ctypes.get_errno() != errno.EINTR:
            return checked(result, "openat2")  # PEP 475, which ctypes does not know
