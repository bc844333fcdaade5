"""How long the slot of a worker that does not become ready stays empty: by what it has said."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from fivefold.processes.backoff import LONGEST_CRASH_PAUSE_S, LONGEST_PAUSE_S, YOUNG_DEATHS
from fivefold.processes.census import Census
from fivefold.processes.draining import Draining
from fivefold.processes.ready_pipe import FAILED, READY, Attention, line
from fivefold.processes.supervision import slots
from fivefold.processes.supervision.slots import Slots
from fivefold.processes.supervision.worker import Worker

NO_PROCESS = 2**30
"""A number that no process has (proc(5): pid_max is at most 2**22)."""

TRIES = 12


class Started:
    """Workers of one slot that are no processes: what they say, when they die, is up to us."""

    def __init__(self, sock: socket.socket) -> None:
        self.now = 1000.0
        self._says = -1
        self._worker: Worker
        self.slots = Slots([[sock]], self._new, 1.0, Census(), list)
        self.slots.go_on(self.now)

    def _new(self, *_: object) -> Worker:
        self._close()
        ready, self._says = os.pipe2(os.O_CLOEXEC)
        self._worker = Worker(NO_PROCESS, 0, Attention(ready), Draining(), self.now)
        return self._worker

    def say(self, kind: str, text: str = "") -> None:
        os.write(self._says, line(kind, text))

    def die(self, after_s: float = 0.0, status: int = signal.SIGKILL) -> float:
        """Seconds until another one is started, which is done."""
        self.now += after_s
        self.slots.died(self._worker, status)
        pause = self.slots.due - self.now
        self.now += pause
        self.slots.go_on(self.now)
        return pause

    def end(self) -> None:
        """Of the present worker; none follows."""
        self.slots.died(self._worker, 0)
        self._close()

    def _close(self) -> None:
        if self._says >= 0:
            os.close(self._says)
            self._says = -1


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    with socket.socket() as sock:
        found = Started(sock)
        monkeypatch.setattr(slots, "monotonic", lambda: found.now)
        yield found
        found.end()


@pytest.fixture
def served(started: Started) -> Started:
    """One that was ready has died."""
    started.say(READY)
    started.slots.listen()
    started.die()
    return started


def test_one_that_dies_without_a_word_is_soon_followed(served: Started) -> None:
    pauses = [served.die() for _ in range(TRIES)]
    assert pauses[0] < pauses[-1] == LONGEST_CRASH_PAUSE_S


def test_one_that_takes_long_to_die_is_followed_after_as_long(served: Started) -> None:
    assert [served.die(after_s=3.0) for _ in range(TRIES)][-1] == 3.0
    assert [served.die(after_s=600.0) for _ in range(TRIES)][-1] == LONGEST_PAUSE_S


def test_one_that_says_why_it_cannot_start_is_tried_seldom(served: Started) -> None:
    def fail() -> float:
        served.say(FAILED, "no database")
        return served.die(status=1 << 8)

    assert [fail() for _ in range(TRIES)][-1] == LONGEST_PAUSE_S


def test_a_server_that_has_not_served_yet_ends_after_a_while(started: Started) -> None:
    assert [started.die() for _ in range(YOUNG_DEATHS - 1)][-1] > LONGEST_CRASH_PAUSE_S
    assert not started.slots.failure
    started.die()
    assert "no worker becomes ready: it was killed by SIGKILL" in started.slots.failure
