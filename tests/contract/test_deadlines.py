"""A pending operation gives up at its deadline, in every model, and what follows works."""

from __future__ import annotations

import contextlib
import select
import threading
from time import monotonic, sleep

import pytest

from fivefold.errors import DeadlineExceeded, PeerGone
from fivefold.iomodels.interface import Connection, File, IOModel
from support.engines.fixtures import TICK_S, Pair, Spare, received_by

BIG = bytes(8 << 20)
SOON_S = 0.1


async def expect(connection: Connection, coming: str) -> None:
    """Expect `DeadlineExceeded` from an operation that cannot complete."""
    connection.deadline = monotonic() + SOON_S
    with pytest.raises(DeadlineExceeded):
        if coming == "recv":
            await connection.recv()
        else:
            await connection.send(BIG)


def test_receiving_from_a_silent_peer_and_then_sending(io: IOModel, pair: Pair) -> None:
    connection, peer = pair()

    async def main() -> None:
        await expect(connection, "recv")
        connection.deadline = monotonic() + 30
        await connection.send(b"408")
        connection.shutdown_send()
        await connection.close()

    io.run(main())
    assert received_by(peer) == b"408"


def test_data_after_a_missed_deadline_is_received(io: IOModel, pair: Pair) -> None:
    connection, peer = pair()

    async def main() -> bytes:
        await expect(connection, "recv")
        connection.deadline = monotonic() + 30
        peer.sendall(b"late")
        return await connection.recv()

    assert io.run(main()) == b"late"


def test_a_request_that_has_come_is_received_although_its_time_is_over(
    io: IOModel, pair: Pair
) -> None:
    connection, peer = pair()
    peer.sendall(b"in time")
    assert io.run(connection.next_bytes(-1.0)) == b"in time"


def test_a_request_that_came_while_another_kept_the_thread(
    overlapping: IOModel, pair: Pair
) -> None:
    """An engine looks at the clock after what it was told, and between the two somebody runs."""
    idle, peer = pair()
    busy, other = pair()

    async def keep_the_thread() -> None:
        await busy.recv()
        peer.sendall(b"in time")
        while monotonic() < idle.deadline + 3 * TICK_S:
            pass

    async def main() -> bytes:
        overlapping.spawn(keep_the_thread())
        for _ in range(3):  # turns after which it waits
            await overlapping.sleep(0.001)
        other.sendall(b"x")
        return await idle.next_bytes(SOON_S)

    assert overlapping.run(main()) == b"in time"


def test_an_idle_connection_without_a_request_ends_in_time(io: IOModel, pair: Pair) -> None:
    connection, _ = pair()
    with pytest.raises(DeadlineExceeded):
        io.run(connection.next_bytes(SOON_S))


def test_sending_to_a_peer_that_takes_nothing(io: IOModel, pair: Pair) -> None:
    connection, _ = pair(small_buffers=True)
    io.run(expect(connection, "send"))


def test_sending_a_file_to_a_peer_that_takes_nothing(
    io: IOModel, pair: Pair, tmp_path_factory: pytest.TempPathFactory
) -> None:
    connection, _ = pair(small_buffers=True)
    path = tmp_path_factory.mktemp("deadline") / "big"
    path.write_bytes(BIG)

    async def main() -> None:
        with path.open("rb") as opened:
            connection.deadline = monotonic() + SOON_S
            connection.progress_s = SOON_S
            with pytest.raises(DeadlineExceeded):
                await connection.send_file(b"head", File(opened.fileno(), len(BIG)), 0, len(BIG))

    io.run(main())


def test_a_send_that_makes_progress_gets_more_time(
    io: IOModel, pair: Pair, in_thread: Spare
) -> None:
    """More than the kernel keeps; the rest is taken once a part of it has been progress."""
    connection, peer = pair()
    connection.progress_s = 60
    connection.deadline = first = monotonic() + 30
    got = []

    def take_late() -> None:
        while connection.deadline == first and monotonic() < first:
            sleep(0.001)
        got.append(received_by(peer))

    taker = in_thread(take_late)

    async def main() -> None:
        await connection.send(BIG)
        assert connection.deadline > first
        connection.shutdown_send()
        await connection.close()

    io.run(main())
    taker.join(30)
    assert got == [BIG]


def test_a_peer_that_takes_what_the_kernel_holds_gets_more_time(
    io: IOModel, pair: Pair, in_thread: Spare
) -> None:
    """Too little for the kernel to tell of room: it holds megabytes, and tells of a third."""
    connection, peer = pair()
    connection.progress_s = 60
    connection.deadline = monotonic() + 60
    got = []

    def take_little() -> None:
        while not connection.unsent or select.select([], [connection.sock], [], 0)[1]:
            sleep(0.001)
        first = peer.recv(1)
        connection.deadline = ended = monotonic()
        while connection.deadline == ended and monotonic() < ended + 30:
            sleep(0.001)
        got.append(first + received_by(peer))

    taker = in_thread(take_little)

    async def main() -> None:
        await connection.send(BIG)
        connection.shutdown_send()
        await connection.close()

    io.run(main())
    taker.join(30)
    assert got == [BIG]


def test_abort_ends_a_pending_send_from_another_thread(
    io: IOModel, pair: Pair, in_thread: Spare
) -> None:
    connection, peer = pair(small_buffers=True)
    connection.deadline = monotonic() + 30

    def wait_until_it_sends() -> None:
        peer.recv(1)
        connection.abort()

    in_thread(wait_until_it_sends)
    with pytest.raises((PeerGone, DeadlineExceeded)):
        io.run(connection.send(BIG))


@pytest.mark.parametrize("amount", [1, 1 << 16], ids=["byte by byte", "in a flood"])
def test_receiving_from_a_peer_that_never_pauses(
    amount: int, io: IOModel, pair: Pair, in_thread: Spare
) -> None:
    """What reads on and on (a head, a handshake, a lingering close) ends in time nevertheless."""
    connection, peer = pair()
    over = threading.Event()
    peer.settimeout(0.005)

    def drip() -> None:
        while not over.wait(0.001):
            with contextlib.suppress(TimeoutError):
                peer.sendall(bytes(amount))

    in_thread(drip)

    async def main() -> None:
        connection.deadline = begun = monotonic()
        connection.deadline += SOON_S
        with pytest.raises(DeadlineExceeded):
            while await connection.recv():
                assert monotonic() < begun + 30
        over.set()

    try:
        io.run(main())
    finally:
        over.set()
