"""The slots of a server, with workers that are no processes: when another one is started, and what
becomes of the server."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections.abc import Iterator

import pytest

from fivefold.processes.backoff import LONGEST_PAUSE_S, SPACING_S, YOUNG_DEATHS
from fivefold.processes.census import Census
from fivefold.processes.draining import Draining
from fivefold.processes.ready_pipe import FAILED, READY, Attention, line
from fivefold.processes.supervision import slots
from fivefold.processes.supervision.recycling import RecyclingSettings, Wear
from fivefold.processes.supervision.slots import Slots
from fivefold.processes.supervision.worker import Worker

NO_PROCESS = 2**30
"""A number that no process has (proc(5): pid_max is at most 2**22)."""

TRIES = 12


class Started:
    """What workers say, and when they die, is up to us."""

    def __init__(self, *sockets: socket.socket) -> None:
        self.now = 1000.0
        self._says: dict[int, int] = {}
        self.slots = Slots([[sock] for sock in sockets], self._new, 1.0, Census(), list)

    def _new(self, *_: object) -> Worker:
        ready, says = os.pipe2(os.O_CLOEXEC)
        worker = Worker(
            NO_PROCESS, 0, Attention(ready), Draining(), Wear(RecyclingSettings()), self.now
        )
        self._says[id(worker)] = says
        return worker

    def go_on(self) -> list[Worker]:
        """All workers, once the missing ones are started."""
        self.slots.go_on(self.now)
        return list(self.slots)

    def say(self, worker: Worker, kind: str, text: str = "") -> None:
        os.write(self._says[id(worker)], line(kind, text))
        self.slots.listen()

    def die(self, worker: Worker, status: int = signal.SIGKILL, *, after_s: float = 0.0) -> float:
        """Seconds until the next one is due; it is that time now."""
        self.now += after_s
        os.close(self._says.pop(id(worker)))
        self.slots.died(worker, status)
        pause = self.slots.due - self.now
        self.now += pause
        return pause

    def last_pause(self, *, reason: str = "", after_s: float = 0.0) -> float:
        """After many deaths in a row, of workers that were never ready."""
        pause = 0.0
        for _ in range(TRIES):
            [worker] = self.go_on()
            if reason:
                self.say(worker, FAILED, reason)
            pause = self.die(worker, after_s=after_s)
        return pause

    def end(self) -> None:
        self.slots.stop(is_outlived=False)
        for worker in list(self.slots):
            self.die(worker, 0)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    """Of one slot."""
    with bound() as sock, started_with(monkeypatch, sock) as found:
        yield found


@contextlib.contextmanager
def started_with(monkeypatch: pytest.MonkeyPatch, *sockets: socket.socket) -> Iterator[Started]:
    found = Started(*sockets)
    monkeypatch.setattr(slots, "monotonic", lambda: found.now)
    try:
        yield found
    finally:
        found.end()


def bound() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


def has_served(started: Started) -> None:
    [worker] = started.go_on()
    started.say(worker, READY)
    started.die(worker)


def test_who_is_asked_to_leave_has_the_last_copy_of_its_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that comes when it has closed that is refused: in a copy of ours it would wait until
    it is reset."""
    open_then: list[bool] = []
    with bound() as sock, started_with(monkeypatch, sock) as found:
        found.go_on()
        dismiss = lambda *_: open_then.append(sock.fileno() >= 0)  # noqa: E731
        with monkeypatch.context() as patched:
            patched.setattr(Worker, "dismiss", dismiss)
            found.slots.stop(is_outlived=False)
    assert open_then == [False]


def test_one_that_dies_without_a_word_is_soon_followed(started: Started) -> None:
    has_served(started)
    assert started.last_pause() == pytest.approx(SPACING_S)
    assert started.last_pause(after_s=0.1) == pytest.approx(SPACING_S - 0.1)


def test_one_that_takes_long_to_die_is_followed_after_as_long(started: Started) -> None:
    has_served(started)
    assert started.last_pause(after_s=3.0) == pytest.approx(3.0)
    assert started.last_pause(after_s=600.0) == pytest.approx(LONGEST_PAUSE_S)


def test_starts_are_spaced_where_workers_serve_and_crash(started: Started) -> None:
    """What counts is when the last one was started: a worker that is killed four times a second
    is followed at once."""
    has_served(started)
    for lived_s in (0.1, 0.2, 0.3, 1.0):
        [worker] = started.go_on()
        started.say(worker, READY)
        worker.ready_at = worker.started + 0.05
        pause = started.die(worker, after_s=lived_s)
        assert pause == pytest.approx(max(SPACING_S - lived_s, 0.05))


def test_nobody_is_looked_after_while_a_successor_starts(started: Started) -> None:
    """The supervisor took one turn after the other, and a processor, until it was ready."""
    [old] = started.go_on()
    started.say(old, READY)
    started.slots.renew()
    assert started.slots.due <= started.now
    assert len(started.go_on()) == 2
    assert started.slots.due > started.now


def is_needed(worker: Worker) -> bool:
    """Whether what is left of it still has to serve."""
    return not select.select([worker.succession.heard], [], [], 0)[0]


def test_what_is_left_of_a_worker_is_needed_until_another_is_ready(started: Started) -> None:
    [served] = started.go_on()
    started.say(served, READY)
    started.die(served)
    [in_vain] = started.go_on()
    started.die(in_vain)
    assert is_needed(served)
    assert not is_needed(in_vain), "it has never accepted a client"
    [successor] = started.go_on()
    assert is_needed(served)
    started.say(successor, READY)
    assert not is_needed(served)
    assert is_needed(successor)


def test_what_is_left_of_a_worker_that_was_replaced_is_not_needed(started: Started) -> None:
    [old] = started.go_on()
    started.say(old, READY)
    started.slots.renew()
    new = next(worker for worker in started.go_on() if worker is not old)
    started.say(new, READY)
    started.die(old)
    assert not is_needed(old)


def test_nothing_that_is_left_outlives_the_stop(started: Started) -> None:
    [early] = started.go_on()
    started.say(early, READY)
    started.die(early)
    [starting] = started.go_on()
    started.slots.stop(is_outlived=False)
    assert not is_needed(early)
    started.die(starting, 0)


def test_what_dies_within_the_stop_leaves_nothing(started: Started) -> None:
    [worker] = started.go_on()
    started.say(worker, READY)
    started.slots.stop(is_outlived=False)
    started.die(worker)
    assert not is_needed(worker)


def test_nothing_that_is_left_outlives_its_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    with bound() as sock, started_with(monkeypatch, sock, sock) as started:
        [first] = started.go_on()
        started.say(first, READY)
        _, second = started.go_on()
        started.say(second, READY)
        started.die(second)
        assert is_needed(second)
        started.slots.remove()
        assert not is_needed(second)


def test_one_that_says_why_it_cannot_start_is_tried_seldom(started: Started) -> None:
    has_served(started)
    assert started.last_pause(reason="no database") == pytest.approx(LONGEST_PAUSE_S)


def test_a_start_is_in_vain_after_some_deaths(started: Started) -> None:
    for number in range(YOUNG_DEATHS):
        assert not started.slots.failure
        [worker] = started.go_on()
        pause = started.die(worker)
        assert number == 0 or pause > 0.3
    assert "no worker becomes ready: it was killed by SIGKILL" in started.slots.failure


def test_each_address_needs_a_worker_that_was_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a service that was never served would count as started."""
    with bound() as one, bound() as other, started_with(monkeypatch, one, other) as started:
        [first] = started.go_on()
        started.say(first, READY)
        assert not started.slots.complete
        _, second = started.go_on()
        started.say(second, FAILED, "no database")
        started.die(second, 1 << 8)
        assert (started.slots.complete, started.slots.failure) == (False, "no database")


def test_later_it_may_do_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with bound() as one, bound() as other, started_with(monkeypatch, one, other) as started:
        [first] = started.go_on()
        started.say(first, READY)
        _, second = started.go_on()
        started.say(second, READY)
        assert started.slots.complete
        started.die(second)
        _, second = started.go_on()
        started.say(second, FAILED, "no database")
        started.die(second, 1 << 8)
        assert (started.slots.complete, started.slots.failure) == (True, "")


def test_a_server_that_stops_gets_no_slot_more_or_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queues are closed: clients of a new one would wait in vain."""
    with bound() as sock, started_with(monkeypatch, sock, sock) as started:
        [first] = started.go_on()
        started.say(first, READY)
        before = started.go_on()
        started.slots.stop(is_outlived=False)
        started.slots.add()
        started.slots.remove()
        assert list(started.slots) == before
