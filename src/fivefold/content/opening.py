"""Opening a file beneath a folder, on every kernel.

openat2(2) refuses in the kernel whatever leads out.  Where it is missing (before Linux
5.6, or forbidden by a container) we open first and look afterwards where the descriptor
really is: that cannot be outrun either, and opening alone, with O_NONBLOCK, does no harm.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ..linux.openat2 import open_beneath

FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

MISSING = (errno.ENOSYS, errno.EPERM)
"""openat2 itself is not there; EPERM is what a seccomp profile says. openat(2) tells apart."""


def open_inside(folder: int, path: bytes) -> int:
    """Open the relative `path` for reading. Raises OSError; EXDEV if it leads out."""
    try:
        return open_beneath(folder, path, FLAGS)
    except OSError as error:
        if error.errno not in MISSING:
            raise
    fd = os.open(path, FLAGS, dir_fd=folder)
    if not lies_inside(fd, folder):
        os.close(fd)
        raise OSError(errno.EXDEV, "leads out of the folder")
    return fd


def lies_inside(fd: int, folder: int) -> bool:
    """By the kernel's own record of where both were found (proc_pid_fd(5))."""
    opened, root = (Path(f"/proc/self/fd/{number}").readlink() for number in (fd, folder))
    return opened.is_relative_to(root)
