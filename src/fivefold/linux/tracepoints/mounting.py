"""tracefs where nobody has mounted it: a mount of our own, in a namespace of its own.

Facts.        fsmount(2) makes a mount that is attached nowhere: it lies in a mount namespace of its
              own, without a name, and ends with the last descriptor for it (Linux 5.2).  A path
              through `/proc/self/fd` leads into it, for us and for whom we give the descriptor.
              It wants CAP_SYS_ADMIN, as mount(2) does.
Consequence.  unshare(2) with private propagation would hide a mount as well, but it moves one
              thread, for good: what the machine mounts later would not be seen by it any more.
Choice.       fsmount, once in a process, when it is first asked for.
Assumption.   /proc is mounted, and it is our PID namespace's.  Where it is not, the mount is of no
              use, and the reason is the one for which the path cannot be read.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path

from ..libc import checked, syscall

FSOPEN, FSCONFIG, FSMOUNT = 430, 431, 432
"""System calls, with the same numbers on every architecture (fsmount(2))."""

CLOSE_ON_EXEC = 1
CREATE = 6  # FSCONFIG_CMD_CREATE
ATTRIBUTES = 0x2 | 0x4 | 0x8
"""Neither set-uid, nor devices, nor programs."""


def own_root() -> Path | None:
    """A path into the mount; None if there is none (`refusal`)."""
    fd = descriptor()
    return None if fd is None else Path(f"/proc/self/fd/{fd}")


def descriptor() -> int | None:
    """The mount itself; it stays open, and is not inherited by programs that are started."""
    mounted = _mounted()
    return mounted if isinstance(mounted, int) else None


def refusal() -> str | None:
    """Why there is none."""
    mounted = _mounted()
    return mounted if isinstance(mounted, str) else None


@cache
def _mounted() -> int | str:
    if os.geteuid() != 0:
        return "only root may mount"
    try:
        return _mount()
    except OSError as error:
        return error.strerror or str(error)


def _mount() -> int:
    """Raises OSError."""
    name = ctypes.create_string_buffer(b"tracefs")
    context = checked(syscall(FSOPEN, ctypes.addressof(name), CLOSE_ON_EXEC), "fsopen")
    try:
        checked(syscall(FSCONFIG, context, CREATE, None, None, 0), "fsconfig")
        return checked(syscall(FSMOUNT, context, CLOSE_ON_EXEC, ATTRIBUTES), "fsmount")
    finally:
        os.close(context)
