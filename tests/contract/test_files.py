"""Regular files: cold and warm, whole and in part, and changing under our hands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.errors import FileShrank
from fivefold.iomodels.interface import File, IOModel
from fivefold.tracing.request.cold import evict
from support.engines.fixtures import Pair, Spare, received_by

CONTENT = os.urandom(3 << 20)


@pytest.fixture(scope="session")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "content"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(params=["cold", "warm"])
def file(request: pytest.FixtureRequest, path: Path) -> Iterator[File]:
    with path.open("rb") as opened:
        if request.param == "cold":
            evict(path)
        else:
            opened.read()
        yield File(opened.fileno(), len(CONTENT))


PARTS = [(0, len(CONTENT)), (0, 0), (1, 1), (4095, 2), (12345, 1_000_000), (len(CONTENT) - 7, 7)]


@pytest.mark.parametrize(("offset", "count"), PARTS)
def test_read_file(offset: int, count: int, io: IOModel, pair: Pair, file: File) -> None:
    connection, _ = pair()
    assert io.run(connection.read_file(file, offset, count)) == CONTENT[offset : offset + count]


def test_read_file_beyond_the_end(io: IOModel, pair: Pair, file: File) -> None:
    connection, _ = pair()
    assert io.run(connection.read_file(file, len(CONTENT) - 5, 100)) == CONTENT[-5:]
    assert io.run(connection.read_file(file, len(CONTENT), 100)) == b""


@pytest.mark.parametrize(("offset", "count"), PARTS)
def test_send_file(
    offset: int, count: int, io: IOModel, pair: Pair, in_thread: Spare, file: File
) -> None:
    connection, peer = pair()
    got = []
    reader = in_thread(lambda: got.append(received_by(peer)))

    async def main() -> None:
        await connection.send_file(b"head:", file, offset, count)
        await connection.send(b":tail")
        connection.shutdown_send()
        await connection.close()

    io.run(main())
    reader.join()
    assert got == [b"head:" + CONTENT[offset : offset + count] + b":tail"]


def test_a_file_that_shrinks_while_it_is_sent(
    io: IOModel, pair: Pair, in_thread: Spare, tmp_path: Path
) -> None:
    connection, peer = pair(small_buffers=True)
    shrinking = tmp_path / "shrinking"
    shrinking.write_bytes(CONTENT * 4)
    size = shrinking.stat().st_size
    got = []

    def shrink_then_read() -> None:
        first = peer.recv(1)
        os.truncate(shrinking, 4096)
        got.append(first + received_by(peer))

    reader = in_thread(shrink_then_read)

    async def main() -> None:
        with shrinking.open("rb") as opened:
            try:
                with pytest.raises(FileShrank):
                    await connection.send_file(b"", File(opened.fileno(), size), 0, size)
            finally:
                connection.shutdown_send()
                await connection.close()

    io.run(main())
    reader.join()
    assert len(got[0]) < size
    assert got[0][:4096] == CONTENT[:4096]


def test_a_cold_file_does_not_stop_the_others(overlapping: IOModel, pair: Pair, path: Path) -> None:
    connection, _ = pair()
    turns = 0
    done = False

    async def others() -> None:
        nonlocal turns
        # Counted before: one round may be all that a quick disk needs.
        while not done:
            turns += 1
            await overlapping.sleep(0)

    async def main() -> bytes:
        nonlocal done
        overlapping.spawn(others())
        # A quick disk may have the pages before anybody has to wait for them: again, then.
        for _ in range(20):
            with path.open("rb") as opened:
                evict(path)
                file = File(opened.fileno(), len(CONTENT))
                data = await connection.read_file(file, 0, len(CONTENT))
            if turns:
                break
        done = True
        return data

    assert overlapping.run(main()) == CONTENT
    assert turns > 0
