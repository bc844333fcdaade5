"""Ending a wait from outside: other threads, signals, interruptions."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from fivefold.iomodels.interface import Connection, IOModel, Waiter
from support.applicable import only
from support.engines.fixtures import TICK_S, Pair, Spare
from support.measured_again import measured_again


def test_wake_from_another_thread(io: IOModel, in_thread: Spare) -> None:
    waiting = threading.Event()

    def wake() -> None:
        waiting.wait(30)
        io.wake()

    in_thread(wake)

    async def main() -> str:
        waiting.set()
        await io.woken
        return "woken"

    assert io.run(main()) == "woken"


def test_a_wake_before_the_wait_is_not_lost(io: IOModel) -> None:
    async def main() -> str:
        io.wake()
        await io.woken
        return "woken"

    assert io.run(main()) == "woken"


def test_a_signal_ends_the_wait(io: IOModel) -> None:
    """The handler only sets a flag; the byte in the model's pipe is what ends the wait."""
    seen: list[int] = []

    def handler(number: int, frame: object) -> None:
        seen.append(number)
        io.wake()

    previous = signal.signal(signal.SIGUSR1, handler)
    signal.set_wakeup_fd(io.wake_fd)
    try:

        async def main() -> None:
            os.kill(os.getpid(), signal.SIGUSR1)
            while not seen:
                await io.woken

        io.run(main())
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGUSR1, previous)
    assert seen


def test_interrupt_ends_a_receive_after_what_had_arrived(
    io: IOModel, pair: Pair, in_thread: Spare
) -> None:
    connection, peer = pair()
    peer.sendall(b"in time")
    heard = threading.Event()

    def interrupt() -> None:
        heard.wait(30)
        connection.interrupt()

    in_thread(interrupt)

    async def main() -> tuple[bytes, bytes]:
        first = await connection.recv()
        heard.set()
        return first, await connection.recv()

    assert io.run(main()) == (b"in time", b"")


def test_interrupt_by_the_same_thread(io: IOModel, pair: Pair) -> None:
    connection, peer = pair()
    peer.sendall(b"in time")

    async def main() -> tuple[bytes, bytes]:
        connection.interrupt()
        return await connection.recv(), await connection.recv()

    assert io.run(main()) == (b"in time", b"")


@measured_again  # each begins when the machine lets it
def test_sleepers_wake_in_the_order_of_their_times(overlapping: IOModel) -> None:
    order: list[int] = []

    async def sleeper(number: int) -> None:
        await overlapping.sleep(number * 0.01)
        order.append(number)

    async def main() -> None:
        for number in (3, 1, 2, 0):
            overlapping.spawn(sleeper(number))
        while len(order) < 4:
            await overlapping.sleep(0.001)

    overlapping.run(main())
    assert order == [0, 1, 2, 3]


def test_a_task_that_never_waits_does_not_keep_others_from_the_kernel(
    overlapping: IOModel, pair: Pair
) -> None:
    connection, peer = pair()
    got: list[bytes] = []

    async def read(conn: Connection) -> None:
        got.append(await conn.recv())

    async def busy() -> None:
        if not got:
            overlapping.spawn(busy())

    async def main() -> None:
        overlapping.spawn(busy())
        overlapping.spawn(read(connection))
        await overlapping.sleep(0)
        peer.sendall(b"x")
        while not got:
            await overlapping.sleep(0)

    overlapping.run(main())
    assert got == [b"x"]


def test_a_wake_after_the_end_is_written_to_nobody(engine: type[IOModel], tmp_path: Path) -> None:
    """A thread of a pool may end late, and the descriptors of the model are others' then."""
    io = engine(tick_s=TICK_S, connections=4)
    io.close()
    with ExitStack() as stack:
        paths = [tmp_path / f"{number}" for number in range(32)]
        for path in paths:
            stack.enter_context(path.open("wb"))
        io.wake()
        io.resume_threadsafe(Waiter())
        assert [path.stat().st_size for path in paths] == [0] * 32


@only(lambda engine: engine.traits.overlaps)  # in others nobody waits at the end
def test_a_coroutine_that_will_not_end_keeps_no_other_from_it(
    engine: type[IOModel], caplog: pytest.LogCaptureFixture
) -> None:
    io = engine(tick_s=TICK_S, connections=4)
    ended = []

    async def waiting(*, stubborn: bool) -> None:
        try:
            await io.sleep(60)
        finally:
            ended.append(stubborn)
            if stubborn:
                await io.sleep(60)

    async def main() -> None:
        io.spawn(waiting(stubborn=True))
        io.spawn(waiting(stubborn=False))
        await io.sleep(0.001)

    io.run(main())
    io.close()
    assert ended == [True, False]
    assert [record.getMessage() for record in caplog.records] == [
        "a coroutine of the server failed"
    ]
