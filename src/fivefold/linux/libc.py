"""The C library, and errno turned into OSError."""

from __future__ import annotations

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
"""Calls through it release the GIL, so they may block."""


def checked(result: int, call: str) -> int:
    """`result`, or OSError if the call returned -1."""
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: int | None) -> int:
    """syscall(2), for calls that the C library does not wrap; -1 and errno on failure."""
    return int(libc.syscall(ctypes.c_long(number), *map(ctypes.c_void_p, arguments)))
