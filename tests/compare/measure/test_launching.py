"""Servers that are started for a comparison, and signals in the wrong moment."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.compare.measure import servers as running
from fivefold.compare.plan.contenders import Contender
from support.process_tree import children_of

SLEEPS = Contender("sleeps", command=(sys.executable, "-c", "import time; time.sleep(60)"))


@pytest.fixture
def second_thread() -> Iterator[None]:
    """To which the kernel gives what the main thread blocks."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.usefixtures("second_thread")
@pytest.mark.parametrize("number", running.STOPS, ids=lambda n: n.name)
def test_a_stop_while_a_server_is_made_leaves_none(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes from the new process itself, while its parent waits for its first words."""
    before, prepared = children_of(os.getpid()), running.leave_nothing

    def stopping(parent: int) -> None:
        prepared(parent)
        os.kill(os.getppid(), number)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "leave_nothing", stopping)
    handler = signal.signal(number, stop)
    try:
        with pytest.raises(KeyboardInterrupt), running.launched(SLEEPS):
            raise AssertionError("it was not stopped")
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, handler)
        left = set(children_of(os.getpid())).difference(before)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(int(pid), 0)
    assert not left


def test_a_stop_that_is_passed_over_stays_so() -> None:
    handler = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with running.stops_held_back():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, handler)


def test_elsewhere_than_in_the_main_thread_a_server_is_made_all_the_same() -> None:
    pids: list[int | None] = []

    def launch() -> None:
        with running.launched(SLEEPS) as up:
            pids.append(up.pid)

    thread = threading.Thread(target=launch)
    thread.start()
    thread.join()
    assert pids


def test_a_server_hears_its_stop() -> None:
    with running.launched(SLEEPS) as up:
        assert up.pid is not None
        status = Path(f"/proc/{up.pid}/status").read_text()
    blocked = int(status.partition("SigBlk:\t")[2].split()[0], 16)
    assert not [number for number in running.STOPS if blocked & 1 << number - 1]
