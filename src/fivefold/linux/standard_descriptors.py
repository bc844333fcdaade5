"""Descriptors 0, 1 and 2, where our parent has closed them.

Facts.        open(2) and accept(2) take the lowest number that is free.  A server that is
              started without standard error (`2>&-`, some supervisors and cron jobs do it)
              would have a client's connection there, and what is logged, by us, by an
              application or by a C library, would be sent to that client.
Choice.       Before anything is opened they become /dev/null, as daemon(3) does it, and
              programs that an application starts inherit them as such.
"""

from __future__ import annotations

import os

STDIN, STDOUT, STDERR = range(3)

_were_closed: set[int] = set()


def fill_standard_descriptors() -> None:
    """Let each that is closed be /dev/null. Without one (a bare chroot) they stay closed."""
    for number in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(number)
        except OSError:
            _were_closed.add(number)
            _open_null(number)


def was_closed(number: int) -> bool:
    """Whether it was closed when it was filled: what is written there is lost."""
    return number in _were_closed


def _open_null(number: int) -> None:
    try:
        fd = os.open(os.devnull, os.O_RDWR)
    except OSError:
        return
    if fd == number:  # the lowest that is free, unless a thread is opening files just now
        os.set_inheritable(fd, True)
    else:
        os.close(fd)
