"""What a process tree has used, against programs whose use is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fivefold.linux.accounting import clock_s, pss_kib, switches, tree, used
from fivefold.linux.processes import processes_of_tree
from fivefold.linux.tracepoints.counting import Counter
from support.nobody import as_nobody, only_root
from support.servers.deployed import until


@contextmanager
def program(source: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs `source`; it goes on when a line is written to it, and says when it is done."""
    with subprocess.Popen(
        [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            line_of(process)
            yield process
        finally:
            process.kill()


def line_of(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def go_on(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    return line_of(process)


CHILD_BURNS = """
import os, sys, time
print(flush=True); sys.stdin.readline()
if not os.fork():
    while time.process_time() < 0.2: pass
    print(time.process_time(), flush=True)
    time.sleep(60)
os.wait()
"""


def test_processor_time_of_a_child_is_the_trees() -> None:
    with program(CHILD_BURNS) as process:
        before = used(process.pid)
        said = float(go_on(process))
        after = used(process.pid)
        children = [entry.pid for entry in tree(process.pid) if entry.pid != process.pid]
        assert len(children) == 1
        assert said <= after.cpu_s - before.cpu_s < said + 0.1
        os.kill(children[0], 9)


CALLS = """
import os, sys
print(flush=True); sys.stdin.readline()
for _ in range(5000): os.getppid()
print(flush=True); sys.stdin.readline()
"""


def test_system_calls_are_counted() -> None:
    with program(CALLS) as process:
        try:
            counter = Counter(process.pid)
        except OSError as error:
            pytest.skip(str(error))
        with counter:
            go_on(process)
        assert 5000 <= counter.count <= 5100


SLEEPS = """
import sys, time
print(flush=True); sys.stdin.readline()
for _ in range(50): time.sleep(0.0001)
print(flush=True); sys.stdin.readline()
"""


def test_sleeping_is_a_voluntary_switch() -> None:
    with program(SLEEPS) as process:
        before = used(process.pid)
        go_on(process)
        assert 50 <= used(process.pid).voluntary - before.voluntary <= 60


MEMORY = """
import sys
kept = b"x" * (50 << 20)
print(flush=True); sys.stdin.readline()
"""


def test_memory_is_the_process_own() -> None:
    with program(MEMORY) as process:
        found = pss_kib(process.pid)
        assert found is not None
        assert 50 << 10 <= found < 80 << 10


def test_who_has_gone_has_used_nothing() -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    assert used(process.pid).cpu_s == 0
    assert time.process_time() > 0


SESSION = """
import os, sys, time
if not os.fork():
    orphan = os.fork()
    if orphan:
        print(orphan, flush=True)
        os._exit(0)
    time.sleep(60)
os.wait()
sys.stdin.readline()
"""


def test_a_tree_has_the_orphans_of_its_session() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SESSION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as leader:
        orphan = int(line_of(leader))
        try:
            left = {leader.pid, orphan}
            until(lambda: {entry.pid for entry in tree(leader.pid)} == left, "the one between")
            assert processes_of_tree(leader.pid) == {leader.pid}  # which walks by parents alone
        finally:
            os.kill(orphan, signal.SIGKILL)
            leader.kill()


def test_a_process_that_is_gone_has_no_clock_and_no_switches() -> None:
    with subprocess.Popen(["true"]) as process:
        pass
    assert clock_s(process.pid) == 0.0
    assert switches(process.pid) == (0, 0)
    assert tree(process.pid) == []
    assert pss_kib(process.pid) == 0


def test_our_own_clock_is_the_one_of_python() -> None:
    before = time.process_time()
    found = clock_s(os.getpid())
    assert before <= found <= time.process_time()


@only_root
def test_memory_of_another_user_cannot_be_read() -> None:
    """And that is said by None, not taken for nothing."""
    pid = os.getpid()

    def attempt() -> None:
        assert pss_kib(pid) is None

    assert as_nobody(attempt) == "nothing"
