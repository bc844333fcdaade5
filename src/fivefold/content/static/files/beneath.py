"""Opening a file beneath a folder, on every kernel.

openat2(2) refuses in the kernel whatever leads out.  Where it is missing (before Linux
5.6, or forbidden by a container) we open first and look afterwards where the descriptor
really is: that cannot be outrun either, and opening alone, with O_NONBLOCK, does no harm.

openat2 also refuses every absolute link, even one that leads to another place inside.  So
what it calls "outside" is looked at once more, link by link (`links`), and the path
without links is then opened by the same call: what was looked at is never trusted.
"""

from __future__ import annotations

import errno
import os

from ....linux.openat2 import open_beneath
from .links import is_beneath, leads_out, place, without_links

FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

MISSING = (errno.ENOSYS, errno.EPERM)
"""openat2 itself is not there; EPERM is what a seccomp profile says. openat(2) tells apart."""

TRIES = 16
"""While anything on the machine is renamed, a walk over `..` fails with EAGAIN up to once in
five times (measured); after so many the other way decides, which does not know EAGAIN."""


def open_inside(folder: int, path: bytes) -> int:
    """Open the relative `path` for reading. Raises OSError; EXDEV if it leads out."""
    try:
        return opened(folder, path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    return opened(folder, without_links(folder, path))


def opened(folder: int, path: bytes) -> int:
    """The same, but that every absolute link counts as leading out."""
    for _ in range(TRIES):
        try:
            return open_beneath(folder, path, FLAGS)
        except OSError as error:
            if error.errno in MISSING:
                break
            if error.errno != errno.EAGAIN:
                raise
    fd = os.open(path, FLAGS, dir_fd=folder)
    try:
        if is_beneath(place(fd), place(folder)):
            return fd
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)
    raise leads_out()
