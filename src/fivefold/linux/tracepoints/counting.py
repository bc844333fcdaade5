"""perf_event_open(2): how often a process tree passed a tracepoint.

A counter belongs to one thread and, inherited, to all that it starts later; so one is
opened for every thread that lives now.  Needs CAP_PERFMON, or root; and tracefs, which
knows the tracepoint's number.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from typing import Self

from ..libc import checked, syscall
from ..processes import threads_of_tree
from .tracefs import root

SYSTEM_CALLS = {"x86_64": 298, "aarch64": 241, "riscv64": 241}
"""perf_event_open's own number."""

TYPE_TRACEPOINT = 2
ATTRIBUTES_BYTES = 64
"""PERF_ATTR_SIZE_VER0, which every kernel knows."""
INHERIT = 1 << 1
CLOSE_ON_EXEC = 1 << 3
SYSTEM_CALL_ENTRY = "raw_syscalls/sys_enter"


class Counter:
    """Counts `tracepoint` in the tree of `pid` while the block runs. Raises OSError."""

    def __init__(self, pid: int, tracepoint: str = SYSTEM_CALL_ENTRY) -> None:
        self._pid = pid
        self._number = tracepoint_number(tracepoint)
        self._fds: list[int] = []
        self.count = 0

    def __enter__(self) -> Self:
        try:
            for thread in threads_of_tree(self._pid):
                self._open(thread)
        except OSError:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.count = sum(struct.unpack("Q", os.read(fd, 8))[0] for fd in self._fds)
        self._close()

    def _open(self, thread: int) -> None:
        attributes = ctypes.create_string_buffer(
            # type, size, config, sample_period, sample_type, read_format, flags
            struct.pack(
                "IIQQQQQ", TYPE_TRACEPOINT, ATTRIBUTES_BYTES, self._number, 0, 0, 0, INHERIT
            ),
            ATTRIBUTES_BYTES,
        )
        number = SYSTEM_CALLS[platform.machine()]
        every_cpu, no_group = -1, -1
        try:
            fd = checked(
                syscall(
                    number, ctypes.addressof(attributes), thread, every_cpu, no_group, CLOSE_ON_EXEC
                ),
                "perf_event_open",
            )
        except ProcessLookupError:
            return  # it ended meanwhile
        self._fds.append(fd)

    def _close(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds.clear()


def tracepoint_number(tracepoint: str) -> int:
    """Raises OSError where tracefs is not mounted, or not ours to read."""
    folder = root()
    if folder is None or platform.machine() not in SYSTEM_CALLS:
        raise FileNotFoundError("the kernel's trace events cannot be had here")
    return int((folder / "events" / tracepoint / "id").read_text())
