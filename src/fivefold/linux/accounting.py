"""What a process tree has used: processor time, memory, context switches.

Facts.        /proc/PID/stat counts processor time in ticks of 10 ms.  The kernel also keeps
              a nanosecond clock per process, ended threads included, and anyone may read
              it (clock_getcpuclockid(3) makes its number out of the process id).  PSS
              charges a page that n processes share with 1/n to each, so a tree's sum is
              what the tree costs.  Context switches are counted per thread.
Consequence.  A tree's processor time is the clocks of those alive plus the ticks that
              each has collected of children it waited for.
Cost.         A process that ends between two readings counts in ticks, and not at all if
              its parent ended before it; an ended thread takes its switches along.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PROCESS_CLOCK = 2
"""CPUCLOCK_SCHED: user and system time of a whole process."""


@dataclass(frozen=True)
class ProcessEntry:
    """What /proc/PID/stat tells us; a pid is used again, (pid, born) is not."""

    pid: int
    parent: int
    session: int
    born: int
    user_s: float
    system_s: float
    children_s: float


@dataclass(frozen=True)
class Used:
    """Sums over a tree, so far."""

    cpu_s: float
    user_s: float
    """In ticks, as `system_s`: for the proportion of the two."""
    system_s: float
    voluntary: int
    involuntary: int


def parse_stat(text: str) -> ProcessEntry:
    """The name, in parentheses, may hold spaces and parentheses itself: cut at the last one."""
    pid, _, rest = text.partition(" (")
    fields = rest[rest.rindex(")") + 2 :].split()
    # proc(5) numbers from 1 and `fields` begins at 3: 4 ppid, 6 session, 14 utime, 15 stime,
    # 16 cutime, 17 cstime, 22 starttime
    user, system, child_user, child_system = (int(field) * TICK_S for field in fields[11:15])
    return ProcessEntry(
        int(pid),
        int(fields[1]),
        int(fields[3]),
        int(fields[19]),
        user + child_user,
        system + child_system,
        child_user + child_system,
    )


def entries() -> list[ProcessEntry]:
    """Every process of the system that can be seen."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found.append(parse_stat((folder / "stat").read_text("latin-1")))
            except (FileNotFoundError, ProcessLookupError):
                pass  # it ended while we read
    return found


def tree(root: int) -> list[ProcessEntry]:
    """The process `root`, the session it leads, if it does, and all living descendants.

    The session has those whose parent died before them.
    """
    everyone = entries()
    found = [entry for entry in everyone if root in (entry.pid, entry.session)]
    for above in found:  # grows while we walk
        found += [entry for entry in everyone if entry.parent == above.pid and entry not in found]
    return found


def clock_s(pid: int) -> float:
    """The process's own clock; 0 if it has gone."""
    try:
        return time.clock_gettime((~pid << 3) | PROCESS_CLOCK)
    except OSError:
        return 0.0


def switches(pid: int) -> tuple[int, int]:
    """Context switches of the living threads: voluntary, involuntary."""
    voluntary = involuntary = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        try:
            *_, first, second = status.read_text("latin-1").splitlines()
        except (FileNotFoundError, ProcessLookupError, ValueError):
            continue  # it ended while we read
        voluntary += int(first.rpartition(":")[2])
        involuntary += int(second.rpartition(":")[2])
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
    total = 0
    for entry in tree(root):
        try:
            text = Path(f"/proc/{entry.pid}/smaps_rollup").read_text("latin-1")
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            return None
        total += next((int(x.split()[1]) for x in text.splitlines() if x.startswith("Pss:")), 0)
    return total
