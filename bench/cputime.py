"""Processor time, user and system, of a process and everything below it.

Facts.        /proc/PID/stat counts in ticks of 10 ms, per process, user and system rounded
              apart: up to 20 ms a process.  /proc/PID/task/*/schedstat has nanoseconds, but
              a thread that ends takes its figure along.  The kernel also keeps a
              nanosecond clock per process, all threads included, ended ones too, and
              anyone may read it: clock_getcpuclockid(3) makes the clock's number out of
              the process id.
Consequence.  With a pool of 128 processes ticks could be wrong by a second in three.
Choice.       The process clock of every living process of the tree, plus the ticks that
              each has collected from children it has waited for (cutime, cstime).
Cost.         A process that ends between two readings counts in ticks, 10 ms, and not at
              all if its parent ended before it.

Loopback delivers a packet inside the sender's `send`; a kernel that accounts interrupts
apart (CONFIG_IRQ_TIME_ACCOUNTING) leaves that part out, for every server alike.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")

# CPUCLOCK_SCHED of clock_getcpuclockid: user and system time of a whole process.
PROCESS_CLOCK = 2


@dataclass(frozen=True)
class Entry:
    """What /proc/PID/stat tells us; `born` makes the pair (pid, born) unique."""

    pid: int
    parent: int
    session: int
    born: int
    children_s: float


def parse_stat(text: str) -> Entry:
    """The name, in parentheses, may hold spaces and parentheses itself: cut at the last one."""
    pid, _, rest = text.partition(" (")
    fields = rest[rest.rindex(")") + 2 :].split()
    # proc(5) numbers from 1 and `fields` begins at 3:
    # 4 ppid, 6 session, 16 cutime, 17 cstime, 22 starttime
    collected = int(fields[13]) + int(fields[14])
    parent, session, born = int(fields[1]), int(fields[3]), int(fields[19])
    return Entry(int(pid), parent, session, born, collected * TICK_S)


def entries() -> list[Entry]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found.append(parse_stat((folder / "stat").read_text("latin-1")))
            except (FileNotFoundError, ProcessLookupError):
                pass  # it ended while we read
    return found


def tree(root: int) -> list[Entry]:
    """The process `root`, the session it leads, if it does, and all living descendants.

    The session has those whose parent died before them.
    """
    everyone = entries()
    found = [e for e in everyone if root in (e.pid, e.session)]
    for above in found:  # grows while we walk
        found += [e for e in everyone if e.parent == above.pid and e not in found]
    return found


def clock_s(pid: int) -> float:
    """The process's own clock; 0 if it has gone."""
    try:
        return time.clock_gettime((~pid << 3) | PROCESS_CLOCK)
    except OSError:
        return 0.0


def of_tree(root: int) -> float:
    """Seconds of processor time that `root` and its descendants have used so far."""
    return sum(clock_s(e.pid) + e.children_s for e in tree(root))
