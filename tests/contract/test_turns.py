"""A connection that never has to wait leaves turns to the others, in every engine.

Nothing here is timed: what is counted is how often one goes on between two of the others'.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from fivefold.iomodels.budget import BURST
from fivefold.iomodels.interface import Connection, File, IOModel, Waiter
from support.applicable import only
from support.engines.fixtures import TICK_S, Pair, makes_calls, received_by, tcp_pair

MOST = 2 * BURST
"""Operations of one connection between two of another: two bursts, as the last one may have
begun before the other was ready."""

TRIPS = 10
MUCH = 1 << 20


def fill(peer: socket.socket) -> int:
    """Send as much as the other end's buffer holds; how much that was."""
    peer.setblocking(False)
    total = 0
    with contextlib.suppress(BlockingIOError):
        while total < 16 * MUCH:
            total += peer.send(bytes(65536))
    return total


class Lane:
    """What happened, in order: "h" for the heavy connection, "l" for the light one."""

    def __init__(self, io: IOModel) -> None:
        self._io = io
        self._ended = Waiter()
        self._running = 0
        self.order = ""

    async def _counted(self, part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        finally:
            self._running -= 1
            self._io.resume(self._ended)

    def run(self, *parts: Coroutine[Any, Any, None]) -> None:
        async def main() -> None:
            for part in parts:
                self._running += 1
                self._io.spawn(self._counted(part))
            while self._running:
                await self._ended

        self._io.run(main())

    async def trips(self, light: Connection, peer: socket.socket) -> None:
        """There and back again: its next byte is there as soon as it has taken the last."""
        for _ in range(TRIPS):
            peer.sendall(b"x")
            await light.recv()
            self.order += "l"

    def longest(self) -> int:
        """The most that the heavy one did while the light one had still to go."""
        before_the_last = self.order[: self.order.rindex("l")]
        return max(map(len, before_the_last.split("l")))


def test_who_receives_without_waiting(overlapping: IOModel, pair: Pair) -> None:
    heavy, flooding = pair()
    light, peer = pair()
    waiting = fill(flooding)
    lane = Lane(overlapping)

    async def take() -> None:
        left = waiting
        while left > 0:
            left -= len(await heavy.recv())
            lane.order += "h"

    lane.run(take(), lane.trips(light, peer))
    assert "h" in lane.order
    assert lane.longest() <= MOST


def test_who_sends_without_waiting(overlapping: IOModel, pair: Pair) -> None:
    heavy, _ = pair()
    light, peer = pair()
    lane = Lane(overlapping)

    async def give() -> None:
        for _ in range(TRIPS * 2 * MOST):
            await heavy.send(b"part")
            lane.order += "h"

    lane.run(give(), lane.trips(light, peer))
    assert lane.longest() <= MOST


def test_who_posts_without_waiting(overlapping: IOModel, pair: Pair) -> None:
    heavy, _ = pair()
    light, peer = pair()
    lane = Lane(overlapping)

    async def give() -> None:
        for _ in range(TRIPS * 2 * MOST):
            if not heavy.send_soon(b"part"):
                await heavy.send(b"part")
            lane.order += "h"

    lane.run(give(), lane.trips(light, peer))
    assert lane.longest() <= 2 * MOST


@only(makes_calls)  # of others each part of a file is waited for
def test_who_sends_a_file_that_is_taken_at_once(
    overlapping: IOModel, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heavy, _ = pair()
    light, peer = pair()
    lane = Lane(overlapping)

    def taken(out: int, file: int, offset: int, count: int) -> int:
        lane.order += "h"
        return count

    monkeypatch.setattr(heavy, "_sendfile", taken)
    path = tmp_path / "file"
    with path.open("wb") as made:
        made.truncate(256 * MUCH)

    async def give() -> None:
        with path.open("rb") as opened:
            file = File(opened.fileno(), 256 * MUCH)
            file.resident_to, file.resident_until = file.size, float("inf")
            await heavy.send_file(b"head", file, 0, file.size)

    lane.run(give(), lane.trips(light, peer))
    assert lane.longest() <= MOST


def test_who_yields_lets_the_others_go_first(overlapping: IOModel, pair: Pair) -> None:
    heavy, _ = pair()
    light, peer = pair()
    lane = Lane(overlapping)

    async def yielding() -> None:
        while lane.order.count("l") < TRIPS:
            await heavy.yield_turn()
            lane.order += "h"

    lane.run(yielding(), lane.trips(light, peer))
    assert lane.order.count("l") == TRIPS


def test_yielding_is_no_wait(io: IOModel, pair: Pair) -> None:
    connection, peer = pair()

    async def main() -> None:
        for _ in range(1000):
            await connection.yield_turn()
        await connection.send(b"done")
        connection.shutdown_send()
        await connection.close()

    io.run(main())
    assert received_by(peer) == b"done"


@only(lambda engine: engine.traits.overlaps)  # of others nobody is left
def test_a_model_that_closes_ends_who_has_yielded(engine: type[IOModel]) -> None:
    model = engine(tick_s=TICK_S, connections=4)
    here, peer = tcp_pair()
    connection = model.connection(here)
    ended = []

    async def yielding() -> None:
        try:
            while True:
                await connection.yield_turn()
        finally:
            ended.append(True)

    async def main() -> None:
        model.spawn(yielding())
        await model.sleep(0)
        await connection.close()

    with peer:
        model.run(main())
        model.close()
    assert ended == [True]
