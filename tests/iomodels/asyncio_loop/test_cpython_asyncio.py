"""CPython's own tests of asyncio, on a loop of each model that could replace the usual one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import TESTS

DRIVER = Path(TESTS, "support", "engines", "cpython_asyncio.py")

MODULES = {
    "loops": ["test_events"],
    "kinds of loops": ["test_selector_events", "test_unix_events", "test_runners"],
    "sockets": ["test_sock_lowlevel", "test_sendfile", "test_server", "test_buffered_proto"],
    "streams": ["test_streams", "test_transports"],
    "processes": ["test_subprocess"],
    "tasks": ["test_locks", "test_queues", "test_taskgroups", "test_timeouts", "test_waitfor"],
}

CHOICES = ["multiplexing", "sigio", "aio"]

TRIED_ON = (3, 11)
"""The release whose tests the driver's table of exceptions was made for."""

LONGEST_S = 180
"""A bit more than the driver's own limit, whose report says more."""

Runs = dict[str, subprocess.Popen[str]]


@pytest.fixture(scope="module", params=MODULES)
def runs(request: pytest.FixtureRequest) -> Iterator[Runs]:
    """All models at once: most of their time they wait."""
    if importlib.util.find_spec("test") is None or importlib.util.find_spec("test.support") is None:
        pytest.skip("this interpreter comes without CPython's tests")
    if sys.version_info[:2] != TRIED_ON:
        pytest.skip(f"the tests of Python {TRIED_ON} are known, those of others are not")
    started = {choice: run(choice, MODULES[request.param]) for choice in CHOICES}
    yield started
    for process in started.values():
        process.kill()
        process.communicate()


def run(choice: str, modules: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, str(DRIVER), choice, *modules]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("choice", CHOICES)
def test_the_loop_passes_what_cpython_asks_of_its_own(choice: str, runs: Runs) -> None:
    _, report = runs[choice].communicate(timeout=LONGEST_S)
    assert runs[choice].returncode == 0, report
