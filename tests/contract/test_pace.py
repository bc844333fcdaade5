"""A finished answer waits for no handler, and for other answers only while all are quick."""

from __future__ import annotations

import select
import socket

import pytest

from fivefold.iomodels.batching import pace
from fivefold.iomodels.batching.pace import HELD_S, MOST_OWED_S, QUICK_S, QUICK_STEPS, Pace
from fivefold.iomodels.interface import Connection, IOModel, Waiter
from support.applicable import only
from support.engines.fixtures import Pair, batches, pace_of

CLIENTS = 6
ARRIVES_MS = 10_000
"""It bounds a failure: what has left is there at once."""


def arrives(peer: socket.socket) -> bool:
    poll = select.poll()
    poll.register(peer, select.POLLIN)
    return bool(poll.poll(ARRIVES_MS))


@pytest.mark.parametrize("size", [10, 20_000, 100_000], ids=["small", "middle", "large"])
@pytest.mark.parametrize("asked", ["before", "in the middle"])
def test_answers_that_are_ready_leave_before_the_next_handler(
    asked: str, size: int, overlapping: IOModel, pair: Pair
) -> None:
    """All requests are there at once; each handler looks whether the others' answers are."""
    made = [pair() for _ in range(CLIENTS)]
    answered: list[socket.socket] = []
    missing: list[int] = []
    ended, left = Waiter(), [CLIENTS]

    async def serve(connection: Connection, peer: socket.socket) -> None:
        await connection.recv()
        if asked == "in the middle":
            await overlapping.sleep(0)
        # The handler: as long as it runs, nothing else of this thread does.
        missing.append(sum(not arrives(other) for other in answered))
        if not connection.send_soon(bytes(size)):
            answered.append(peer)  # a large one is on its way when `send` waits, too
            await connection.send(bytes(size))
        else:
            answered.append(peer)
        left[0] -= 1
        overlapping.resume(ended)

    async def main() -> None:
        for connection, peer in made:
            overlapping.spawn(serve(connection, peer))
        await overlapping.sleep(0.005)  # all of them wait in `recv`
        for _, peer in made:
            peer.sendall(b"?")
        while left[0]:
            await ended

    overlapping.run(main())
    assert missing == [0] * CLIENTS


def test_an_answer_leaves_before_its_own_handler_goes_on(overlapping: IOModel, pair: Pair) -> None:
    connection, peer = pair()

    async def main() -> bool:
        peer.sendall(b"?")
        await connection.recv()
        if not connection.send_soon(b"answer"):
            await connection.send(b"answer")
        return arrives(peer)

    assert overlapping.run(main())


class Echo:
    """Connections that answer whatever comes."""

    def __init__(self, io: IOModel, made: list[tuple[Connection, socket.socket]]) -> None:
        self._io, self._made = io, made
        self._answered = 0
        for connection, _ in made:
            io.spawn(self._serve(connection))

    async def _serve(self, connection: Connection) -> None:
        while await connection.recv():
            if not connection.send_soon(b"answer"):
                await connection.send(b"answer")
            self._answered += 1

    async def trips(self, number: int) -> None:
        """The requests of all are there in the same turn."""
        for _ in range(number):
            wanted = self._answered + len(self._made)
            for _, peer in self._made:
                peer.sendall(b"?")
            while self._answered < wanted:
                await self._io.sleep(0)

    def end(self) -> None:
        for _, peer in self._made:
            peer.shutdown(socket.SHUT_WR)


@only(batches)
def test_answers_are_held_once_handlers_have_been_quick(
    overlapping: IOModel, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no longer when one of them was held for too long."""
    steps = pace_of(overlapping)
    made = [pair(), pair()]
    assert steps
    assert made[0][0].send_soon(b"x")
    monkeypatch.setattr(pace, "QUICK_S", 1000.0)

    async def main() -> None:
        echo = Echo(overlapping, made)
        await echo.trips(QUICK_STEPS * 2)
        assert not steps.cautious
        monkeypatch.setattr(pace, "QUICK_S", -1000.0)  # whatever is held is held for too long
        await echo.trips(1)
        await overlapping.sleep(0)
        assert steps.cautious
        echo.end()

    overlapping.run(main())


class Clocked:
    """A pace, and the time that passes in it."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.now = 1000.0

    def step(self, seconds: float) -> None:
        self.pace.step_begins(self.now)
        self.now += seconds
        self.pace.step_ends(self.now)

    def lot(self, seconds: float) -> None:
        self.pace.since = self.now
        self.now += seconds
        self.pace.released(self.now)

    def until_trusted(self, seconds: float) -> int:
        """So many steps of that length it takes."""
        count = 0
        while self.pace.cautious:
            self.step(seconds)
            count += 1
        return count


def test_trust_is_earned_and_lost() -> None:
    clocked = Clocked()
    assert clocked.until_trusted(QUICK_S / 8) == QUICK_STEPS
    clocked.lot(HELD_S)
    assert not clocked.pace.cautious
    clocked.lot(HELD_S + QUICK_S * 2)
    assert clocked.pace.cautious


def test_a_slow_step_begins_anew_what_must_be_earned() -> None:
    clocked = Clocked()
    for _ in range(10):
        for _ in range(QUICK_STEPS - 1):
            clocked.step(QUICK_S / 8)
        clocked.step(QUICK_S * 2)
    assert clocked.pace.cautious


def test_what_was_lost_is_paid_for_by_quick_work() -> None:
    clocked = Clocked()
    clocked.until_trusted(QUICK_S / 2)
    clocked.lot(0.5)
    begun = clocked.now
    clocked.until_trusted(QUICK_S / 2)
    assert clocked.now - begun == pytest.approx(0.5, rel=0.01)
    clocked.lot(1e6)  # the machine was asleep
    begun = clocked.now
    clocked.until_trusted(QUICK_S / 2)
    assert clocked.now - begun == pytest.approx(MOST_OWED_S, rel=0.01)


def test_a_wait_is_no_step() -> None:
    clocked = Clocked()
    clocked.pace.step_begins(0.0)
    clocked.pace.step_ends(clocked.now)
    assert clocked.until_trusted(QUICK_S / 8) == QUICK_STEPS
