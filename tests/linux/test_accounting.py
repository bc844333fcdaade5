"""What a process tree has used, against programs whose use is known."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fivefold.linux.accounting import pss_kib, tree, used
from fivefold.linux.tracepoints.counting import Counter


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
