"""What a process tree has used: processor time, memory, context switches.

Facts.        /proc/PID/stat counts processor time in ticks of 10 ms.  The kernel also keeps
              a nanosecond clock per process, ended threads included, and any process may read
              it (clock_getcpuclockid(3) makes its number out of the process id).  PSS
              charges a page that n processes share with 1/n to each, so a tree's sum is
              what the tree costs.  Context switches are counted per thread.
Consequence.  A tree's processor time is the clocks of those alive plus the ticks that
              each has collected of children it waited for.
Cost.         A process that ends between two readings counts in ticks, and not at all if
              its parent ended before it; an ended thread takes its switches along.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from .processes import (
    ProcessEntry,
    entry_of,
    processes_of_tree,
    proportional_bytes,
    read,
    threads_of,
)

PROCESS_CLOCK = 2
"""CPUCLOCK_SCHED: user and system time of a whole process."""


@dataclass(frozen=True)
class Used:
    """Sums over a tree, so far."""

    cpu_s: float
    user_s: float
    """In ticks, as `system_s`: for the proportion of the two."""
    system_s: float
    voluntary: int
    involuntary: int


def entries() -> list[ProcessEntry]:
    """Every process of the system that can be seen."""
    pids = (int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit())
    return [entry for pid in pids if (entry := entry_of(pid))]


def tree(root: int) -> list[ProcessEntry]:
    """The process `root`, the session it leads, if it does, and all living descendants.

    The session has those whose parent died before them.
    """
    session = [entry.pid for entry in entries() if root in (entry.pid, entry.session)]
    pids = set().union(*map(processes_of_tree, session))
    return [entry for pid in pids if (entry := entry_of(pid))]


def clock_s(pid: int) -> float:
    """The process's own clock; 0 if it has gone."""
    try:
        return time.clock_gettime((~pid << 3) | PROCESS_CLOCK)
    except OSError:
        return 0.0


def switches(pid: int) -> tuple[int, int]:
    """Context switches of the living threads: voluntary, involuntary."""
    voluntary = involuntary = 0
    for thread in threads_of(pid):
        # The last two lines of its status.
        lines = (read(pid, f"task/{thread}/status") or b"").splitlines()[-2:]
        first, second = (int(line.rpartition(b":")[2]) for line in lines or (b":0", b":0"))
        voluntary += first
        involuntary += second
    return voluntary, involuntary


def used(root: int) -> Used:
    """What `root` and its descendants have used so far."""
    members = tree(root)
    counts = [switches(entry.pid) for entry in members]
    return Used(
        cpu_s=sum(clock_s(entry.pid) + entry.children_s for entry in members),
        user_s=sum(entry.user_s for entry in members),
        system_s=sum(entry.system_s for entry in members),
        voluntary=sum(voluntary for voluntary, _ in counts),
        involuntary=sum(involuntary for _, involuntary in counts),
    )


def pss_kib(root: int) -> int | None:
    """The tree's proportional share of memory, in KiB; None without the right to read it."""
    try:
        return sum(proportional_bytes(entry.pid) for entry in tree(root)) // 1024
    except PermissionError:
        return None
