"""proc(5): what each thread of a process sleeps in, and since when, whatever it does itself.

Facts.        /proc/PID/task/TID/syscall names the call that a thread sleeps in, with its arguments;
              `sched` (CONFIG_SCHED_DEBUG) when it was last on a processor, by the scheduler's clock
              of that processor, which leaves out interrupts and what a hypervisor has taken: two
              processors' clocks are seconds apart after some hours.
Choice.       The reader moves to the thread's processor for a moment, and reads its own `sched`
              there: both are then of one clock (a tick apart, 10 ms at most).
Assumption.   We may run on that processor; otherwise, and without `sched`, the time is not known
              (None).  The right to trace the process (ptrace(2)); without it no call is known, only
              what of the kernel it waits in (`wchan`).
"""

from __future__ import annotations

import os
import platform
import re
import threading
from collections.abc import Container
from typing import NamedTuple

from ..processes import read, threads_of

CALLS = {
    "x86_64": {
        0: "read", 1: "write", 7: "poll", 17: "pread64", 18: "pwrite64", 19: "readv",
        20: "writev", 23: "select", 35: "nanosleep", 40: "sendfile", 42: "connect", 43: "accept",
        44: "sendto", 45: "recvfrom", 46: "sendmsg", 47: "recvmsg", 61: "wait4", 72: "fcntl",
        73: "flock", 74: "fsync", 75: "fdatasync", 128: "rt_sigtimedwait", 130: "rt_sigsuspend",
        202: "futex", 230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 257: "openat",
        270: "pselect6", 271: "ppoll", 275: "splice", 281: "epoll_pwait", 288: "accept4",
        295: "preadv", 326: "copy_file_range", 327: "preadv2", 426: "io_uring_enter",
        437: "openat2", 441: "epoll_pwait2",
    },
    "aarch64": {
        22: "epoll_pwait", 25: "fcntl", 32: "flock", 56: "openat", 63: "read", 64: "write",
        65: "readv", 66: "writev", 67: "pread64", 68: "pwrite64", 69: "preadv", 71: "sendfile",
        72: "pselect6", 73: "ppoll", 76: "splice", 82: "fsync", 83: "fdatasync", 95: "waitid",
        98: "futex", 101: "nanosleep", 115: "clock_nanosleep", 133: "rt_sigsuspend",
        137: "rt_sigtimedwait", 202: "accept", 203: "connect", 206: "sendto", 207: "recvfrom",
        211: "sendmsg", 212: "recvmsg", 242: "accept4", 260: "wait4", 285: "copy_file_range",
        286: "preadv2", 426: "io_uring_enter", 437: "openat2", 441: "epoll_pwait2",
    },
}.get(platform.machine(), {})  # fmt: skip
"""Those that sleep, by their numbers (asm/unistd.h); any other is shown by its number."""

WITHOUT_DESCRIPTOR = {
    "clock_nanosleep", "futex", "nanosleep", "openat", "openat2", "poll", "ppoll", "pselect6",
    "rt_sigsuspend", "rt_sigtimedwait", "select", "wait4", "waitid",
}  # fmt: skip
"""All other `CALLS` have one as their first argument; `openat` only says where a path begins."""

EXEC_START = re.compile(rb"se\.exec_start\s*:\s*([\d.]+)")

STATE, PROCESSOR = 0, 36
"""Fields 3 and 39 of /proc/PID/stat, counted behind the name."""


class SleepingThread(NamedTuple):
    """One thread, as the kernel has it."""

    tid: int
    name: str
    state: str
    """R runs or could, S sleeps, D sleeps for a disk or the like, T is stopped (proc(5))."""
    call: str | None
    """The system call that it sleeps in; None if it is in none, or that is not known."""
    descriptor: int | None
    """The first argument of the call, where that is one."""
    waits_in: str | None
    """The function of the kernel (`wchan`)."""
    asleep_s: float | None
    """Since it was last on a processor; 0 if it runs."""


def sleeping_threads(pid: int, only: Container[int] | None = None) -> list[SleepingThread]:
    """Those of a process, the first one first; none if there is no such process. `only`: the
    numbers of those that are asked for."""
    clocks: dict[int, float | None] = {}
    asked = (tid for tid in sorted(threads_of(pid)) if only is None or tid in only)
    threads = (one(pid, tid, clocks) for tid in asked)
    return [thread for thread in threads if thread is not None]


def one(pid: int, tid: int, clocks: dict[int, float | None]) -> SleepingThread | None:
    """None if it has ended. `clocks`: those of the processors that were read already."""
    task = f"task/{tid}"
    stat, name = read(pid, f"{task}/stat"), read(pid, f"{task}/comm")
    if stat is None or name is None:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    call, descriptor = call_of(pid, task)
    wchan = permitted(pid, f"{task}/wchan").decode()
    state = fields[STATE].decode()
    return SleepingThread(
        tid,
        name.decode(errors="replace").rstrip("\n"),
        state,
        call,
        descriptor,
        None if wchan in ("", "0") else wchan,
        0.0 if state == "R" else asleep_s(pid, task, int(fields[PROCESSOR]), clocks),
    )


def call_of(pid: int, task: str) -> tuple[str | None, int | None]:
    """The system call, and the descriptor it is about."""
    number, _, arguments = permitted(pid, f"{task}/syscall").partition(b" ")
    if not number.isdigit():  # it runs, or sleeps outside of a call (-1)
        return None, None
    call = CALLS.get(int(number), f"system call {int(number)}")
    if call in WITHOUT_DESCRIPTOR or int(number) not in CALLS:
        return call, None
    return call, int(arguments.split()[0], 16)


def asleep_s(pid: int, task: str, cpu: int, clocks: dict[int, float | None]) -> float | None:
    if cpu not in clocks:
        clocks[cpu] = clock_of(cpu)
    now, then = clocks[cpu], last_ran(permitted(pid, f"{task}/sched"))
    return None if now is None or then is None else max(0.0, now - then)


def clock_of(cpu: int) -> float | None:
    """Now, by the scheduler's clock of this processor; None if we may not run there."""
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {cpu})
        return last_ran(permitted(os.getpid(), f"task/{threading.get_native_id()}/sched"))
    except OSError:
        return None
    finally:
        os.sched_setaffinity(0, allowed)


def last_ran(sched: bytes) -> float | None:
    found = EXEC_START.search(sched)
    return None if found is None else float(found[1]) / 1000


def permitted(pid: int, name: str) -> bytes:
    """A file of a process; nothing if it has ended, or if we may not know."""
    try:
        return read(pid, name) or b""
    except OSError:
        return b""
