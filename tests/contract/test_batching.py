"""Batched sends: in order with everything else, whole, and nothing lost at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from fivefold.errors import DeadlineExceeded, PeerGone
from fivefold.iomodels.batching import holding
from fivefold.iomodels.interface import Connection, File, IOModel
from support.applicable import only
from support.engines.fixtures import Pair, Spare, batches, pace_of, received_by, reset

PART = bytes(range(256)) * 8
CONTENT = bytes(range(255)) * 20
MANY = 12
"""More than small buffers hold."""


async def put(connection: Connection, data: bytes) -> bool:
    """As the connection coroutine does it; whether it leaves soon."""
    if connection.send_soon(data):
        return True
    await connection.send(data)
    return False


pytestmark = only(lambda engine, _pace: engine.traits.overlaps or _pace == "brisk")
"""A model that holds no answers has one pace."""


@pytest.fixture(autouse=True, params=["cautious", "brisk"])
def _pace(request: pytest.FixtureRequest, io: IOModel) -> None:
    """Whether an answer leaves at once, or may wait for others."""
    pace = pace_of(io)
    if pace is not None:
        pace.cautious = request.param == "cautious"


def numbered(number: int) -> bytes:
    return b"%08d" % number + PART


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with path.open("rb") as opened:
        yield File(opened.fileno(), len(CONTENT))


def test_posts_and_sends_keep_their_order(io: IOModel, pair: Pair, in_thread: Spare) -> None:
    connection, peer = pair()
    got = []
    reader = in_thread(lambda: got.append(received_by(peer)))

    async def main() -> None:
        await put(connection, b"a")
        await put(connection, b"b")
        await connection.send(b"c", b"d")
        await put(connection, b"e")
        connection.shutdown_send()
        await connection.close()

    io.run(main())
    reader.join()
    assert got == [b"abcde"]


@pytest.mark.parametrize("ending", ["close", "shutdown"])
def test_what_the_kernel_does_not_take_at_once_follows(
    ending: str, io: IOModel, pair: Pair, in_thread: Spare
) -> None:
    connection, peer = pair(small_buffers=True)
    got = []

    def read() -> None:
        got.append(received_by(peer))
        if ending == "shutdown":
            peer.sendall(b"all of it")

    reader = in_thread(read)

    async def main() -> None:
        for number in range(MANY):
            await put(connection, numbered(number))
        if ending == "shutdown":
            connection.shutdown_send()
            assert await connection.recv() == b"all of it"
        await connection.close()

    io.run(main())
    reader.join()
    assert got == [b"".join(map(numbered, range(MANY)))]


def test_a_file_follows_what_was_posted(
    io: IOModel, pair: Pair, in_thread: Spare, file: File
) -> None:
    connection, peer = pair(small_buffers=True)
    got = []
    reader = in_thread(lambda: got.append(received_by(peer)))

    async def main() -> None:
        for number in range(MANY):
            await put(connection, numbered(number))
        await connection.send_file(b"head", file, 0, file.size)
        await connection.close()

    io.run(main())
    reader.join()
    assert got == [b"".join(map(numbered, range(MANY))) + b"head" + CONTENT]


def test_a_post_goes_out_while_its_coroutine_waits(
    io: IOModel, pair: Pair, in_thread: Spare
) -> None:
    connection, peer = pair()

    def answer() -> None:
        assert peer.recv(100) == b"question"
        peer.sendall(b"answer")

    asking = in_thread(answer)

    async def main() -> bytes:
        await put(connection, b"question")
        return await connection.recv()

    assert io.run(main()) == b"answer"
    asking.join()


def test_a_peer_that_resets_is_noticed_by_a_later_operation(io: IOModel, pair: Pair) -> None:
    connection, peer = pair()
    reset(peer)

    async def main() -> None:
        await put(connection, b"x")
        await connection.send(b"y")
        await connection.recv()

    with pytest.raises(PeerGone):
        io.run(main())


def test_a_peer_that_takes_nothing_meets_the_deadline(io: IOModel, pair: Pair) -> None:
    connection, _ = pair(small_buffers=True)

    async def main() -> None:
        connection.deadline = monotonic() + 0.05
        while True:
            await put(connection, numbered(0))

    with pytest.raises(DeadlineExceeded):
        io.run(main())
    io.run(connection.close())


def test_an_observed_connection_posts_nothing(io: IOModel, pair: Pair) -> None:
    connection, _ = pair()
    events: list[str] = []
    sizes: list[int] = []

    def emit(event: str, details: dict[str, Any]) -> None:
        events.append(event)
        if event == "send.end":
            sizes.append(details["bytes"])

    overlay = connection.observe(emit)

    async def main() -> None:
        assert not await put(connection, b"x")
        await connection.send(b"head", b"body")
        overlay.lift()
        await connection.send(b"nobody watches")

    io.run(main())
    assert events[0] == "send.begin"
    assert sizes == [1, 8]


SIZES = (1, 300, 16384, 5000)
"""Up to what each engine takes; a turn of them is more than is held of one connection, and their
number more than one connection may do in a turn."""


def test_what_is_asked_first_is_taken(
    engine: type[IOModel], io: IOModel, pair: Pair, in_thread: Spare
) -> None:
    """TLS cannot take back what it has sealed: so it asks, with nothing, and relies on it."""
    connection, peer = pair()
    pace = pace_of(io)
    may_wait = batches(engine) and pace is not None and not pace.cautious
    got = []
    reader = in_thread(lambda: got.append(received_by(peer)))
    asked: list[bool] = []
    sent = b""

    async def put_as_promised(data: bytes) -> bool:
        nonlocal sent
        asked.append(connection.send_soon(b""))
        if asked[-1]:
            assert connection.send_soon(data)
        else:
            await connection.send(data)
        sent += data
        return asked[-1]

    async def main() -> None:
        try:
            for size in SIZES * 4:
                await put_as_promised(bytes(size))
            while await put_as_promised(b"x"):
                pass  # so small that it is their number that ends it
        finally:
            await connection.close()

    io.run(main())
    reader.join()
    assert got == [sent]
    assert any(asked) == may_wait
    assert not all(asked)


@only(batches)
def test_a_post_does_not_wait_for_long(
    monkeypatch: pytest.MonkeyPatch, overlapping: IOModel, pair: Pair
) -> None:
    """Each turn's second one finds the first one late, and lets it go."""
    monkeypatch.setattr(holding, "HELD_S", 0.0)
    first, first_peer = pair()
    second, _ = pair()
    assert first.send_soon(b"x")
    first_peer.setblocking(False)

    async def main() -> bytes:
        assert first.send_soon(b"a")
        assert second.send_soon(b"b")
        return first_peer.recv(10)

    assert overlapping.run(main()).endswith(b"a")
