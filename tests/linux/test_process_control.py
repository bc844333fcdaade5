"""Names of processes, as /proc shows them; their ends with those of their parents."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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


ORPHANS = """
import ctypes, os, time
from fivefold.linux.process_control import reap_orphans
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: as PID 1, it inherits

def ended(pid):
    while open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.001)
    return pid

def child(life=lambda: None):
    pid = os.fork()
    if pid == 0:
        life()
        os._exit(0)
    return pid

reap_orphans(spared=())
print("without a child it returns")

reader, writer = os.pipe()
middle = child(lambda: os.write(writer, b"%d" % child()))
os.waitpid(middle, 0)
orphan = ended(int(os.read(reader, 100)))
reap_orphans(spared=())
print(os.path.exists(f"/proc/{orphan}"))

ours = ended(child())
reap_orphans(spared=[ours])
print(os.waitpid(ours, 0) == (ours, 0))

living = child(lambda: os.read(reader, 1))
reap_orphans(spared=())
os.write(writer, b"1")
print(os.waitpid(living, 0) == (living, 0))
"""


def test_orphans_are_reaped_and_those_that_are_waited_for_are_not() -> None:
    said = subprocess.run(
        [sys.executable, "-c", ORPHANS], capture_output=True, check=True, text=True
    )
    assert said.stdout.splitlines() == ["without a child it returns", "False", "True", "True"]


def test_a_child_hears_of_the_end_of_its_parent() -> None:
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        pid = os.getpid()
        if os.fork() == 0:
            signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR2,))
            die_with_parent(signal.SIGUSR2, pid)
            os.write(writer, b"ready")
            assert signal.sigwait((signal.SIGUSR2,)) == signal.SIGUSR2
            os.write(writer, b"heard")
            os._exit(0)
        assert os.read(reader, 5) == b"ready"
        os._exit(0)
    os.close(writer)
    os.waitpid(parent, 0)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == b"heard"


def test_a_name_is_given_back_also_when_the_fork_fails() -> None:
    before = COMM.read_text()
    with pytest.raises(BlockingIOError), children_called("fivefold-named"):
        assert COMM.read_text() == "fivefold-named\n"
        raise BlockingIOError  # as os.fork does
    assert COMM.read_text() == before


def test_a_signal_that_there_is_not_is_refused() -> None:
    with pytest.raises(OSError, match="prctl: Invalid argument"):
        die_with_parent(1000, os.getppid())
