"""Bytes in, bytes out: all of them, in order, whatever the buffers, until an end."""

from __future__ import annotations

import contextlib
import socket
from time import monotonic

import pytest

from fivefold.errors import PeerGone
from fivefold.iomodels.interface import Connection, IOModel, Waiter
from support.engines.fixtures import TICK_S, Pair, Spare, received_by, reset, tcp_pair

BIG = bytes(range(256)) * 8192  # 2 MiB

PATIENCE_S = 10.0
"""A coroutine that waits so long has been forgotten."""


async def all_of(connection: Connection) -> bytes:
    data = b""
    while part := await connection.recv():
        data += part
    return data


@pytest.mark.parametrize("size", [1, 1000, 16384, 16385, 65536, 65537, len(BIG)])
def test_everything_is_sent_through_small_buffers(
    size: int, io: IOModel, pair: Pair, in_thread: Spare
) -> None:
    connection, peer = pair(small_buffers=size < 100_000)
    got = []
    reader = in_thread(lambda: got.append(received_by(peer)))

    async def main() -> None:
        await connection.send(BIG[:size])
        connection.shutdown_send()
        await connection.close()

    io.run(main())
    reader.join()
    assert got == [BIG[:size]]


def test_several_buffers_leave_in_order(io: IOModel, pair: Pair, in_thread: Spare) -> None:
    connection, peer = pair()
    got = []
    reader = in_thread(lambda: got.append(received_by(peer)))

    async def main() -> None:
        await connection.send(b"head", b"", BIG, b"tail")
        await connection.send(b"more")
        connection.shutdown_send()
        await connection.close()

    io.run(main())
    reader.join()
    assert got == [b"head" + BIG + b"tailmore"]


def test_everything_is_received(io: IOModel, pair: Pair, in_thread: Spare) -> None:
    connection, peer = pair()

    def write() -> None:
        peer.sendall(BIG)
        peer.shutdown(socket.SHUT_WR)

    in_thread(write)
    assert io.run(all_of(connection)) == BIG


def test_the_end_comes_again_and_sending_still_works(io: IOModel, pair: Pair) -> None:
    connection, peer = pair()
    peer.sendall(b"last words")
    peer.shutdown(socket.SHUT_WR)

    async def main() -> list[bytes]:
        ends = [await all_of(connection), await connection.recv(), await connection.recv()]
        await connection.send(b"answer")
        connection.shutdown_send()
        await connection.close()
        return ends

    assert io.run(main()) == [b"last words", b"", b""]
    assert received_by(peer) == b"answer"


def test_an_end_that_came_with_data_while_nobody_read_is_not_lost(
    overlapping: IOModel, pair: Pair, in_thread: Spare
) -> None:
    connection, peer = pair()

    async def main() -> tuple[bytes, bytes]:
        peer.sendall(b"a")
        first = await connection.recv()
        peer.sendall(b"b")
        peer.shutdown(socket.SHUT_WR)
        for _ in range(3):  # turns in which the events arrive and nobody waits for them
            await overlapping.sleep(0.001)
        return first, await all_of(connection)

    assert overlapping.run(main()) == (b"a", b"b")


def test_what_ends_by_reading_leaves_nobody_waiting_to_write(
    overlapping: IOModel, in_thread: Spare
) -> None:
    """One event may tell of both directions, to two coroutines: the first is over with it."""
    server, peer = socket.socketpair()  # where what is read here is room there at once
    connection = overlapping.connection(server)
    connection.deadline = monotonic() + PATIENCE_S
    got: list[bytes] = []
    over = Waiter()

    async def read() -> None:
        got.append(await connection.recv())

    async def write() -> None:
        try:
            await connection.send(BIG)
        finally:
            connection.shutdown_send()
            overlapping.resume(over)

    async def main() -> None:
        overlapping.spawn(read())
        overlapping.spawn(write())
        for _ in range(3):  # turns in which both come to wait
            await overlapping.sleep(0.001)
        got.append(taken_from(peer))
        peer.send(b"x")
        reader = in_thread(lambda: got.append(received_by(peer)))
        await over
        await connection.close()
        reader.join()

    with peer:
        overlapping.run(main())
    assert b"x" in got
    assert sum(map(len, got)) == len(BIG) + 1


def taken_from(peer: socket.socket) -> bytes:
    """What is there, without waiting for more."""
    taken = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            taken += peer.recv(1 << 20, socket.MSG_DONTWAIT)
    return taken


def test_a_reset_ends_a_receive(io: IOModel, pair: Pair) -> None:
    connection, peer = pair()
    reset(peer)
    with pytest.raises(PeerGone):
        io.run(connection.recv())


def test_a_reset_in_the_middle_of_a_send(io: IOModel, pair: Pair, in_thread: Spare) -> None:
    connection, peer = pair(small_buffers=True)

    def read_a_little_and_reset() -> None:
        peer.recv(1)
        reset(peer)

    in_thread(read_a_little_and_reset)
    with pytest.raises(PeerGone):
        io.run(connection.send(BIG))


def test_a_close_in_the_middle_of_an_upload_ends_the_upload(engine: type[IOModel]) -> None:
    """It is reset: a peer that waits for us to read would wait for ever."""
    io = engine(tick_s=TICK_S, connections=64)
    server, peer = tcp_pair()
    connection = io.connection(server)
    peer.settimeout(0.2)
    peer.sendall(b"x")

    async def main() -> None:
        await connection.recv()
        with pytest.raises(TimeoutError):  # until both buffers are full
            while True:
                peer.sendall(BIG)
        connection.shutdown_send()
        await connection.close()

    with peer:
        io.run(main())
        io.close()
        peer.settimeout(10)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while True:
                peer.sendall(BIG)


def test_sending_to_nobody_is_noticed_at_the_latest_by_the_next_operation(
    io: IOModel, pair: Pair
) -> None:
    connection, peer = pair()
    reset(peer)

    async def main() -> None:
        await connection.send(b"x")
        await connection.send(b"y")
        await connection.recv()

    with pytest.raises(PeerGone):
        io.run(main())


def test_many_connections_at_once_keep_apart(overlapping: IOModel, pair: Pair) -> None:
    made = [pair() for _ in range(50)]
    answers = {}

    async def echo(connection: Connection, left: list[int]) -> None:
        await connection.send(await connection.recv())
        left.append(1)
        if len(left) == len(made):
            overlapping.resume(done)

    done = Waiter()

    async def main() -> None:
        left: list[int] = []
        for connection, _ in made:
            overlapping.spawn(echo(connection, left))
        for number, (_, peer) in enumerate(made):
            peer.sendall(b"%d" % number)
        await done

    overlapping.run(main())
    for number, (_, peer) in enumerate(made):
        answers[number] = peer.recv(100)
    assert answers == {number: b"%d" % number for number in range(50)}
