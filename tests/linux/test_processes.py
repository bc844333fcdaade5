"""proc(5), against what the kernel says elsewhere; and processes that go while they are read."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.linux import processes
from fivefold.linux.process_control import be_called
from support.servers.deployed import until

FAMILY = """
import os, signal, sys, threading
if os.fork() == 0:
    made = threading.Thread(target=lambda: (os.fork(), threading.Event().wait()))
    made.start()
    print(os.getpid(), flush=True)
    signal.pause()
print(os.getpid(), flush=True)
signal.pause()
"""
"""A process, its child, and a grandchild that another thread of the child has forked."""


EMBEDS = """
import os, signal, subprocess, sys
from fivefold.linux.process_control import show_command_line
if os.fork() == 0:
    show_command_line("fivefold: worker")
    other = subprocess.Popen([sys.executable, "-c", "print('up', flush=True); input()"])
    print(os.getpid(), other.pid, flush=True)
signal.pause()
"""
"""A program without a title, a fork of it with one, and another program that the fork started."""


SERVES = """
import os, signal, subprocess, sys
from fivefold.linux.process_control import show_command_line
show_command_line("SUPERVISOR")
if os.fork() == 0:
    show_command_line("fivefold: worker 1")
    if len(sys.argv) > 1:
        others = [subprocess.Popen([sys.executable, "-c", sys.argv[1]])]
        others += [subprocess.Popen(["sleep", "600"])]
    os.setuid(65534)
    print(os.getpid(), flush=True)
signal.pause()
"""
"""A server whose worker has another user, and has started a program and another server."""

WITHOUT_TRACING = """
import ctypes, os, sys
CAP_SYS_PTRACE, PR_CAPBSET_DROP = 19, 24
assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0) == 0
ask = "import sys; from fivefold.linux.processes import *; print(*forks_of(int(sys.argv[1])))"
ask += "; print(program_of(int(sys.argv[2]))[1].decode())"
os.execv(sys.executable, [sys.executable, "-c", ask, *sys.argv[1:]])
"""
"""Prints what are the forks of a process, and where the words of another one are."""


@pytest.fixture
def family() -> Iterator[tuple[int, int]]:
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        pids = {int(parent.stdout.readline()) for _ in range(2)}
        (child,) = pids - {parent.pid}
        yield parent.pid, child
        os.killpg(parent.pid, signal.SIGKILL)
        parent.communicate()


def gone() -> int:
    """A process id that is nobody's now: of a child that was reaped."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_tree_has_grandchildren_of_other_threads(family: tuple[int, int]) -> None:
    parent, child = family
    while len(found := processes.processes_of_tree(parent)) < 3:
        pass  # the grandchild is being forked
    assert {parent, child} < found
    (grandchild,) = found - {parent, child}
    assert processes.parent_of(grandchild) == child
    assert processes.parent_of(child) == parent
    assert processes.parent_of(parent) == os.getpid()
    threads = processes.threads_of_tree(child)
    assert {child, grandchild} <= threads
    assert threads - {child, grandchild}  # the thread that has forked


def test_a_start_time_tells_two_processes_of_one_number_apart() -> None:
    ours = processes.start_time(os.getpid())
    boot = next(
        int(line.split()[1])
        for line in Path("/proc/stat").read_text().splitlines()
        if line.startswith("btime")
    )
    assert ours is not None
    started = boot + ours / os.sysconf("SC_CLK_TCK")
    said = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(os.getpid())],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
    )
    from_ps = subprocess.run(
        ["date", "-u", "+%s", "-d", said.stdout.strip()], capture_output=True, check=True
    )
    assert abs(started - int(from_ps.stdout)) <= 2


def test_names_with_brackets_and_spaces_are_read_over(tmp_path: Path) -> None:
    program = tmp_path / "a) b (1 2"
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "60"]) as child:
        try:
            assert processes.start_time(child.pid) is not None
            assert processes.parent_of(child.pid) == os.getpid()
            # In the middle of execve(2) it has none yet.
            said = os.fsencode(program) + b"\x0060\x00"
            until(lambda: (processes.program_of(child.pid) or ())[:1] == (said,), "its own words")
        finally:
            child.kill()


def test_a_fork_with_a_title_is_of_its_program_and_what_was_started_is_not() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", EMBEDS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as program:
        try:
            assert program.stdout is not None
            lines = [program.stdout.readline().split() for _ in range(2)]
            ((fork, other),) = (map(int, words) for words in lines if len(words) == 2)
            assert processes.processes_of_tree(program.pid) == {program.pid, fork, other}
            assert processes.forks_of(program.pid) == {fork}
            assert processes.forks_of(fork) == set()
        finally:
            os.killpg(program.pid, signal.SIGKILL)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize("title", ["fivefold: supervisor", ""])
def test_forks_are_known_without_the_right_to_trace_them(title: str) -> None:
    """By their titles; another server is none of ours, and a program that embeds one has none."""
    server = SERVES.replace("SUPERVISOR", "fivefold: supervisor")
    code = server if title else SERVES.replace('show_command_line("SUPERVISOR")', "")
    with subprocess.Popen(
        [sys.executable, "-c", code, server],
        stdout=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
    ) as program:
        try:
            assert program.stdout is not None
            said = {int(program.stdout.readline()) for _ in range(2)}
            (worker,) = processes.forks_of(program.pid)
            assert worker in said
            assert len(processes.processes_of_tree(program.pid)) == 5
            asked = [sys.executable, "-c", WITHOUT_TRACING, str(program.pid), str(worker)]
            answer = subprocess.run(
                asked, capture_output=True, text=True, check=True
            ).stdout.split()
            assert answer == [str(worker), "0"]
        finally:
            os.killpg(program.pid, signal.SIGKILL)


def test_the_fields_of_a_process() -> None:
    text = "7 (a) R 1 (b) S 5 7 6 0 -1 4194560 1 2 3 4 100 200 30 40 20 0 1 0 999 0 0"
    entry = processes.parse_stat(text)
    tick = 1 / os.sysconf("SC_CLK_TCK")
    assert (entry.pid, entry.parent, entry.session, entry.born) == (7, 5, 6, 999)
    assert entry.user_s == pytest.approx(130 * tick)
    assert entry.children_s == pytest.approx(70 * tick)


def test_a_process_that_is_gone_is_none_or_nothing() -> None:
    pid = gone()
    assert processes.entry_of(pid) is None
    assert processes.start_time(pid) is None
    assert processes.parent_of(pid) is None
    assert processes.owner_of(pid) is None
    assert processes.program_of(pid) is None
    assert not processes.catches(pid, signal.SIGTERM)
    assert processes.processes_of_tree(pid) == processes.threads_of_tree(pid) == set()


def test_whose_it_is_and_what_it_catches() -> None:
    assert processes.owner_of(os.getpid()) == os.geteuid()
    before = signal.signal(signal.SIGUSR2, lambda *_: None)
    try:
        assert processes.catches(os.getpid(), signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    assert not processes.catches(os.getpid(), signal.SIGUSR2)
    signal.signal(signal.SIGUSR2, before)


def test_a_thread_has_the_first_fifteen_bytes_of_its_name() -> None:
    names: list[str] = []

    def called() -> None:
        be_called("a-name-that-is-too-long")
        names.append(Path(f"/proc/self/task/{threading.get_native_id()}/comm").read_text())

    thread = threading.Thread(target=called)
    thread.start()
    thread.join()
    assert names == ["a-name-that-is-\n"]
