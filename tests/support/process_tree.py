"""Processes, as /proc and pidfd_open(2) show them."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from pathlib import Path

CONTROL = "fivefold-trace"
"""The process that those talk to who trace."""

STATUS = "fivefold-status"
"""The process that answers on the address of `--status`."""

WATCH = "fivefold-watch"
"""The process that watches files, for `--reload`."""

APART = (CONTROL, STATUS, WATCH)


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children_of(pid: int) -> list[int]:
    children = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the process has ended
        for task in list(Path(f"/proc/{pid}/task").glob("*/children")):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread
                children += [int(child) for child in task.read_text().split()]
    return children


def is_alive(pid: int) -> bool:
    """A zombie is not, whoever has to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def server_end(server: tuple[str, int], client: socket.socket) -> str:
    """What the server's end of a client's connection is called among `open_files`."""
    ends = [f":{port:04X}" for port in (server[1], client.getsockname()[1])]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if [fields[1][-5:], fields[2][-5:]] == ends:
            return f"socket:[{fields[9]}]"
    raise AssertionError("nobody has the other end")


def states_of(pid: int) -> set[str]:
    """Of all threads of a process, as letters (proc(5)); without those that end while we look."""
    states = set()
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            states.add(stat.read_text().rpartition(")")[2].split()[0])
    return states


def workers_of(pid: int) -> set[int]:
    """Those of a supervisor's children that listen to clients: the guard has no socket, tracers
    talk to the control process, and monitors to the status process."""

    def listens(child: int) -> bool:
        return any("socket:" in each for each in open_files(child))

    return {child for child in children_of(pid) if name_of(child) not in APART and listens(child)}


def open_files(pid: int) -> list[str]:
    """What the descriptors of a process are, by the kernel's names."""
    return list(descriptors_of(pid).values())


def descriptors_of(pid: int) -> dict[int, str]:
    """Their numbers, and what they are; none of a process that has ended, and none that is closed
    while we look."""
    found = {}
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found[int(link.name)] = str(link.readlink())
    return found


def descendants_of(pid: int) -> list[int]:
    """All that it has forked, and those have; parents before children."""
    found = [pid]
    for parent in found:  # grows while we walk
        found += children_of(parent)
    return found[1:]


HELD = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")
"""What only those count that share it: pages of files are of the whole machine (proc(5))."""


def memory_of_tree(pid: int) -> int:
    """Bytes that it and its descendants hold, with what they share among them counted once.

    Assumes that nobody else shares these pages: a server that was forked from the process of the
    tests gets more of them whenever pytest writes to a page, or another server ends.  So measure
    what was started as a program of its own (`support.servers.started`).
    """
    total = 0
    for each in (pid, *descendants_of(pid)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the process has ended
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(HELD))
    return total


def dissolved(group: Path) -> bool:
    """Gives the processes of a control group back to the one above, and removes it; False as long
    as one is there: they fork while they are moved, and die."""
    with contextlib.suppress(OSError):
        for left in (group / "cgroup.procs").read_text().split():
            (group.parent / "cgroup.procs").write_text(left)
        group.rmdir()
    return not group.exists()


def wait_until_gone(pid: int) -> None:
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(watched) as pidfd:
        assert select.select([pidfd], [], [], 30)[0], f"{pid} lives on"


def is_gone(pid: int) -> bool:
    return not is_alive(pid)
