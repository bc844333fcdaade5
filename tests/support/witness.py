"""Independent witnesses of a trace, and ways to make a server slow that the kernel has itself."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.linux.processes import processes_of_tree
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.request.session import Session
from support.process_tree import dissolved
from support.servers.deployed import until

WITH_RIGHTS = pytest.param(
    True,
    marks=pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available())),
)


def worker_of(session: Session) -> int:
    (worker,) = processes_of_tree(session._server.pid) - {session._server.pid}
    return worker


@contextlib.contextmanager
def witness(command: list[str], says: str, log: Path) -> Iterator[None]:
    """A program that watches until the block ends; `says` what it prints once it does."""
    with subprocess.Popen([*command, "-o", str(log)], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            while says not in (line := process.stderr.readline()):
                if not line:
                    pytest.skip(f"{command[0]} cannot watch here")
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.stderr.read()


def seeing_tracefs(command: list[str]) -> list[str]:
    """The command, in a mount namespace of its own if tracefs is not mounted in ours."""
    root = tracefs.root()
    if root is None or root in tracefs.ROOTS:
        return command
    mounting = f'{tracefs.MOUNT} && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mounting, "sh", *command]


THROTTLE = Path("/sys/fs/cgroup/blkio/blkio.throttle.read_bps_device")


@contextlib.contextmanager
def throttled(pids: set[int], device: str, bytes_per_s: int) -> Iterator[None]:
    """The processes read so slowly from the disk, by the kernel's own throttle (blkio, v1)."""
    group = THROTTLE.parent / f"fivefold-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / THROTTLE.name).write_text(f"{device} {bytes_per_s}")
        for pid in pids:
            (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        until(lambda: dissolved(group), "the end of the control group")


def disk_of(path: Path) -> str | None:
    """MAJOR:MINOR of the whole disk that a file is on, if it is on one."""
    number = path.stat().st_dev
    name = f"{os.major(number)}:{os.minor(number)}"
    device = Path(f"/sys/dev/block/{name}")
    if not device.exists():
        return None
    disk = device.resolve()
    return (disk.parent / "dev").read_text().strip() if (disk / "partition").exists() else name
