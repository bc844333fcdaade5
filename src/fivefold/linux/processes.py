"""proc(5): a process: its parent, its descendants, their threads; when it started, and whose."""

from __future__ import annotations

from pathlib import Path

FIRST_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h


def start_time(pid: int) -> int | None:
    """Clock ticks between boot and the start of the process; None if there is none.

    A process id is used again, a process id with its start time is not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[19])  # the name may contain spaces and brackets


def threads_of_tree(pid: int) -> set[int]:
    """The threads of a process and of its descendants."""
    try:
        threads = {int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()}
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return threads.union(*map(threads_of_tree, _children(pid, threads)))


def processes_of_tree(pid: int) -> set[int]:
    """A process and its descendants."""
    try:
        threads = {int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()}
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return {pid}.union(*map(processes_of_tree, _children(pid, threads)))


def program_of(pid: int) -> bytes | None:
    """The command line with which its program was started; None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None


def parent_of(pid: int) -> int | None:
    """None if there is no such process."""
    text = _status(pid, "PPid")
    return None if text is None else int(text)


def owner_of(pid: int) -> int | None:
    """The effective user id of a process; None if there is no such process."""
    text = _status(pid, "Uid")
    return None if text is None else int(text.split()[1])


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for this signal."""
    text = _status(pid, "SigCgt")
    return text is not None and bool(int(text, 16) >> (number - 1) & 1)


def _status(pid: int, name: str) -> str | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)


def _children(pid: int, threads: set[int]) -> set[int]:
    children: set[int] = set()
    for thread in threads:
        try:
            text = Path(f"/proc/{pid}/task/{thread}/children").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.update(map(int, text.split()))
    return children


def in_first_pid_namespace() -> bool:
    """Whether process ids here are those that the kernel's own records use."""
    return Path("/proc/self/ns/pid").stat().st_ino == FIRST_PID_NAMESPACE
