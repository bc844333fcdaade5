"""What the kernel counts for a thread: evidence that needs no rights.

It is asked in the middle of a request, so it is cheap: system calls and no more.
"""

from __future__ import annotations

import os
import resource
from typing import Any

SCHEDSTAT = "/proc/thread-self/schedstat"
THREAD_IO = "/proc/thread-self/io"

WANTED = (b"read_bytes", b"rchar", b"wchar")
READ_BYTES = 1024


def accounting() -> dict[str, Any]:
    """The kernel's counters of this thread (getrusage(2), proc(5))."""
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    counters: dict[str, Any] = {
        "voluntary_switches": usage.ru_nvcsw,
        "involuntary_switches": usage.ru_nivcsw,
        "major_faults": usage.ru_majflt,
        "blocks_read": usage.ru_inblock,
        "processor_us": round((usage.ru_utime + usage.ru_stime) * 1e6),
    }
    try:
        counters["runqueue_ns"] = int(text_of(SCHEDSTAT).split()[1])
        for line in text_of(THREAD_IO).split(b"\n"):
            name, _, value = line.partition(b": ")
            if name in WANTED:
                counters[name.decode()] = int(value)
    except (OSError, IndexError, ValueError):
        pass  # a kernel without them, or a process that gave its rights away
    return counters


def text_of(path: str) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, READ_BYTES)
    finally:
        os.close(file)
