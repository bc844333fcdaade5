"""Names of processes, as /proc shows them; their ends with those of their parents."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from fivefold.linux.process_control import children_called, die_with_parent

COMM = Path("/proc/thread-self/comm")


def test_what_is_forked_meanwhile_has_its_name_at_once() -> None:
    before = COMM.read_text()
    with children_called("fivefold-named"):
        pid = os.fork()
        if pid == 0:
            signal.pause()
    try:
        assert Path(f"/proc/{pid}/comm").read_text() == "fivefold-named\n"
        assert COMM.read_text() == before
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def status_of_child(parent: int) -> int:
    """How a child ends that takes `parent` for its parent's process id."""
    pid = os.fork()
    if pid == 0:
        die_with_parent(signal.SIGKILL, parent)
        os._exit(7)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_parent_that_has_ended_before_the_kernel_was_asked_is_not_outlived() -> None:
    assert status_of_child(os.getpid()) == 7
    ended = os.fork()
    if ended == 0:
        os._exit(0)
    os.waitpid(ended, 0)
    assert status_of_child(ended) == -signal.SIGKILL
