"""proc(5): a process: its parent, its descendants, their threads; when it started, and whose.

The descendants are those that the kernel lists as children of each thread, so that a walk costs
as much as the tree is large, and not as the machine is busy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

FIRST_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class ProcessEntry(NamedTuple):
    """What /proc/PID/stat tells us; a pid is used again, (pid, born) is not."""

    pid: int
    parent: int
    session: int
    born: int
    """In clock ticks since boot."""
    user_s: float
    system_s: float
    children_s: float


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


def entry_of(pid: int) -> ProcessEntry | None:
    """None if there is no such process."""
    stat = read(pid, "stat")
    return None if stat is None else parse_stat(stat.decode("latin-1"))


def start_time(pid: int) -> int | None:
    """Clock ticks between boot and the start of the process; None if there is none."""
    entry = entry_of(pid)
    return None if entry is None else entry.born


def parent_of(pid: int) -> int | None:
    """None if there is no such process."""
    entry = entry_of(pid)
    return None if entry is None else entry.parent


def processes_of_tree(pid: int) -> set[int]:
    """A process and its descendants."""
    if not threads_of(pid):
        return set()
    return {pid}.union(*map(processes_of_tree, children_of(pid)))


def children_of(pid: int) -> list[int]:
    """Of all its threads; none if there is no such process."""
    lists = [read(pid, f"task/{thread}/children") or b"" for thread in threads_of(pid)]
    return [*map(int, b"".join(lists).split())]


def threads_of_tree(pid: int) -> set[int]:
    """The threads of a process and of its descendants."""
    return set().union(*map(threads_of, processes_of_tree(pid)))


def threads_of(pid: int) -> set[int]:
    """Of one process; none if there is no such process."""
    try:
        return {int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()}
    except (FileNotFoundError, ProcessLookupError):
        return set()


def proportional_bytes(pid: int) -> int:
    """The memory that a process takes, where pages that several share are divided among them
    (PSS); 0 if it has ended. Raises `PermissionError`."""
    lines = (read(pid, "smaps_rollup") or b"").splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), 0)


UNKNOWN = b"0"
"""proc(5), arg_start of a process that we may not trace."""

TITLE = b"fivefold: "
"""How the command lines of our processes begin, which say who is who (`processes.titles`)."""

SUPERVISOR = TITLE + b"supervisor"
"""That of a process which was not forked by another of ours: a program begins with it."""


def program_of(pid: int) -> tuple[bytes, bytes] | None:
    """What tells the program that a process executes; None if there is no such process.

    That is its command line, or just that this is a title of ours, or a supervisor's; and where
    that lies in memory, which is another place after each execve(2), but known only of processes
    that we may trace (else 0).
    """
    line, stat = read(pid, "cmdline"), read(pid, "stat")
    if line is None or stat is None:
        return None
    title = next((title for title in (SUPERVISOR, TITLE) if line.startswith(title)), line)
    return title, stat.rpartition(b")")[2].split()[48 - 3]


def forks_of(pid: int) -> set[int]:
    """The descendants of a process that run the same program, under whatever title: not what a
    shell, the process 1 of a machine or an application has started, nor what that has forked."""
    if (program := program_of(pid)) is None:
        return set()
    forks = {child for child in children_of(pid) if is_fork(program_of(child), program)}
    return forks.union(*map(forks_of, forks))


def is_fork(other: tuple[bytes, bytes] | None, program: tuple[bytes, bytes]) -> bool:
    """Whether a child of a process with this program is a fork of it: of a program that embeds
    the server only the processes that the server forks have titles.

    Assumption.   Where one of the two may not be traced (it has another user, and we have no
                  CAP_SYS_PTRACE), their words must do: no program that an application starts has
                  a title of ours, but for another server, which begins with a supervisor.
    """
    if other is None:
        return False
    line, place = program
    if UNKNOWN in (place, other[1]):
        is_ours = line.startswith(TITLE)
        return other[0] == TITLE or (other[0] in (line, SUPERVISOR) and not is_ours)
    has_title = any(each.startswith(TITLE) for each in (line, other[0]))
    return place == other[1] and (line == other[0] or has_title)


def name_of(pid: int) -> str:
    """Who it is in our server; of a process without a title of ours what its thread is called."""
    line = read(pid, "cmdline") or b""
    if line.startswith(TITLE):
        name = line.removeprefix(TITLE).partition(b" [")[0].rstrip(b"\0")
    else:
        name = (read(pid, "comm") or b"").strip()
    return name.decode(errors="replace")


def owner_of(pid: int) -> int | None:
    """The effective user id of a process; None if there is no such process."""
    text = _status(pid, b"Uid")
    return None if text is None else int(text.split()[1])


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for this signal."""
    text = _status(pid, b"SigCgt")
    return text is not None and bool(int(text, 16) >> (number - 1) & 1)


def holds(pid: int, fd: int, inode: int) -> bool:
    """Whether a process has this file under this number, as those that it was forked from."""
    try:
        return Path(f"/proc/{pid}/fd/{fd}").stat().st_ino == inode
    except OSError:
        return False


def _status(pid: int, name: bytes) -> bytes | None:
    lines = (read(pid, "status") or b"").splitlines()
    return next((line.partition(b":")[2].strip() for line in lines if line.startswith(name)), None)


def read(pid: int, name: str) -> bytes | None:
    """A file of a process; None if it has ended, or its thread has."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None


def in_first_pid_namespace() -> bool:
    """Whether process ids here are those that the kernel's own records use."""
    return Path("/proc/self/ns/pid").stat().st_ino == FIRST_PID_NAMESPACE
