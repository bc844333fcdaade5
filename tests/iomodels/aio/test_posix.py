"""What only the POSIX aio engine can get wrong: its threads, and what outlives a deadline."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from time import monotonic

import pytest

from fivefold.errors import DeadlineExceeded, FileShrank, LimitReached, PeerGone
from fivefold.iomodels.aio.posix import MAX_CONNECTIONS, Posix
from fivefold.iomodels.aio.posix import pool as posix_pool
from fivefold.iomodels.aio.posix.connection import PosixConnection
from fivefold.iomodels.interface import File
from fivefold.linux import posix_aio

pytestmark = pytest.mark.skipif(
    Posix.available() is not None, reason=f"aio:posix: {Posix.available()}"
)

PATIENCE_S = 20.0
"""No test waits so long; a model that hangs fails instead of stopping the suite."""


@pytest.fixture
def io() -> Iterator[Posix]:
    model = Posix(tick_s=0.02)
    yield model
    model.close()


@pytest.fixture
def file() -> Iterator[File]:
    with tempfile.TemporaryFile() as handle:
        handle.write(CONTENT)
        handle.flush()
        yield File(handle.fileno(), len(CONTENT))


CONTENT = bytes(range(256)) * 4096


def connected(io: Posix) -> tuple[PosixConnection, socket.socket]:
    """A connection of the model, and the socket of its peer."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        peer.settimeout(PATIENCE_S)
        accepted = listener.accept()[0]
    return io.connection(accepted), peer


def receive(peer: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = peer.recv(count - len(data))
        assert part, "the peer closed early"
        data += part
    return bytes(data)


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


def test_limit_is_an_error_and_ends_with_a_close(io: Posix) -> None:
    pairs = [socket.socketpair() for _ in range(MAX_CONNECTIONS + 1)]
    *fitting, surplus = [ours for ours, _ in pairs]
    connections = [io.connection(ours) for ours in fitting]

    async def main() -> None:
        with pytest.raises(LimitReached, match="256 connections"):
            io.connection(surplus)
        await connections.pop().close()
        connections.append(io.connection(surplus))
        for connection in connections:
            await connection.close()

    io.run(main())
    for _, peer in pairs:
        assert peer.recv(1) == b""
        peer.close()


def test_threads_are_counted_across_the_models_of_a_process(io: Posix) -> None:
    spoken_for = posix_pool.AIO_THREADS - 2  # one is left beside that of `io` itself
    posix_pool.pool.take(spoken_for)
    ours, peer = socket.socketpair()
    with ours, peer, pytest.raises(LimitReached, match="in use"):
        io.connection(ours)
    with closing(Posix()), pytest.raises(LimitReached, match="in use"):
        Posix()
    posix_pool.pool.give_back(spoken_for)
    Posix().close()


def test_idle_connections_stop_neither_an_active_one_nor_a_file(io: Posix, file: File) -> None:
    pairs = [socket.socketpair() for _ in range(MAX_CONNECTIONS)]
    connections = [io.connection(ours) for ours, _ in pairs]
    active, peer = connections[-1], pairs[-1][1]
    ended: list[bytes] = []

    async def idle(connection: PosixConnection) -> None:
        ended.append(await connection.recv())
        await connection.close()

    async def main() -> None:
        for connection in connections[:-1]:
            io.spawn(idle(connection))
        await io.sleep(0)  # now they all wait
        peer.sendall(b"ping")
        assert await active.recv() == b"ping"
        assert await active.read_file(file, 100, 1000) == CONTENT[100:1100]
        await active.send_file(b"head", file, 0, 1000)
        assert not ended
        for connection in connections[:-1]:
            connection.interrupt()
        while len(ended) < MAX_CONNECTIONS - 1:
            await io.sleep(0)
        await active.close()

    io.run(main())
    assert receive(peer, 1004) == b"head" + CONTENT[:1000]
    assert set(ended) == {b""}
    for _, peer in pairs:
        peer.close()


def test_after_a_deadline_it_can_send_and_late_data_is_kept(io: Posix) -> None:
    connection, peer = connected(io)

    async def main() -> None:
        connection.deadline = monotonic()
        with pytest.raises(DeadlineExceeded):
            await connection.recv()
        connection.deadline = monotonic() + PATIENCE_S
        await connection.send(b"408", b" sorry")
        assert receive(peer, 9) == b"408 sorry"
        peer.sendall(b"late")
        peer.shutdown(socket.SHUT_WR)
        assert await connection.recv() == b"late"
        assert await connection.recv() == b""
        await connection.close()

    with peer:
        io.run(main())


def test_a_send_that_is_given_up_keeps_its_bytes(io: Posix) -> None:
    connection, peer = connected(io)

    async def main() -> None:
        connection.progress_s = 0.0  # the first part passes, then the deadline is now
        with pytest.raises(DeadlineExceeded):
            await connection.send(b"x" * 64_000_000)
        await connection.close()

    with peer:
        io.run(main())
        assert set(receive(peer, 1000)) == {ord("x")}


def test_a_slow_reader_gets_more_time_with_each_part(io: Posix) -> None:
    connection, peer = connected(io)
    connection.progress_s = PATIENCE_S
    size = 16_000_000
    heard: list[bytes] = []
    reading = threading.Thread(target=lambda: heard.append(receive(peer, size)))

    async def main() -> None:
        before = connection.deadline = monotonic() + PATIENCE_S
        reading.start()
        await connection.send(bytes(size))
        assert connection.deadline > before
        await connection.close()

    with peer:
        io.run(main())
        reading.join()
    assert heard == [bytes(size)]


@pytest.mark.parametrize("count", [0, 1, 262_144, len(CONTENT)])
def test_file_follows_its_head(io: Posix, file: File, count: int) -> None:
    connection, peer = connected(io)
    heard: list[bytes] = []
    reading = threading.Thread(target=lambda: heard.append(receive(peer, 4 + count)))

    async def main() -> None:
        reading.start()
        await connection.send_file(b"head", file, 0, count)
        await connection.close()

    with peer:
        io.run(main())
        reading.join()
    assert heard == [b"head" + CONTENT[:count]]


def test_a_file_that_ends_early(io: Posix, file: File) -> None:
    connection, peer = connected(io)

    async def main() -> None:
        assert await connection.read_file(file, len(CONTENT) - 5, 100) == CONTENT[-5:]
        with pytest.raises(FileShrank, match="95 bytes"):
            await connection.send_file(b"head", file, len(CONTENT) - 5, 100)
        await connection.close()

    with peer:
        io.run(main())


def test_close_with_a_read_in_flight_leaves_no_descriptor(io: Posix) -> None:
    before = descriptors()
    connection, peer = connected(io)

    async def main() -> None:
        connection.deadline = monotonic()
        with pytest.raises(DeadlineExceeded):
            await connection.recv()
        await connection.close()

    io.run(main())
    peer.close()
    assert descriptors() == before


def test_closing_the_model_ends_what_is_in_flight() -> None:
    before = descriptors()
    io = Posix(tick_s=0.02)
    connection, peer = connected(io)
    ended: list[str] = []

    async def forsaken() -> None:
        try:
            await connection.recv()
        finally:
            await connection.close()
            ended.append("closed")

    async def main() -> None:
        io.spawn(forsaken())
        await io.sleep(0)

    io.run(main())
    with socket.create_server(("127.0.0.1", 0)) as sock:
        io.listener(sock)
        io.close()
    peer.close()
    assert ended == ["closed"]
    assert descriptors() == before


def test_a_reset_is_peer_gone_even_without_ignoring_sigpipe(io: Posix) -> None:
    connection, peer = connected(io)
    previous = signal.signal(signal.SIGPIPE, signal.SIG_DFL)

    async def main() -> None:
        peer.close()
        await connection.send(b"answered by a reset")
        with pytest.raises(PeerGone):
            await connection.send(b"x" * 64_000_000)
        await connection.close()

    try:
        io.run(main())
    finally:
        signal.signal(signal.SIGPIPE, previous)


def test_wake_from_another_thread(io: Posix) -> None:
    async def main() -> None:
        for _ in range(100):
            waker = threading.Thread(target=io.wake)
            waker.start()
            await io.woken
            waker.join()

    io.run(main())


def test_accepts_all_and_leaves_the_rest_in_the_queue(io: Posix) -> None:
    wanted = 150

    async def main(sock: socket.socket) -> list[socket.socket]:
        listener = io.listener(sock)
        connecting.start()
        accepted: list[socket.socket] = []
        while len(accepted) < wanted:
            accepted += await listener.accept()
        connecting.join()
        peers.append(socket.create_connection(sock.getsockname()))
        accepted += listener.close()
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return accepted

    peers: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0), backlog=256) as sock:
        connecting = threading.Thread(
            target=lambda: peers.extend(
                socket.create_connection(sock.getsockname()) for _ in range(wanted)
            )
        )
        accepted: list[socket.socket] = io.run(main(sock))
    assert len(accepted) == wanted + 1
    for end in (*accepted, *peers):
        end.close()


COPIED = """
import os, socket
from fivefold.iomodels.aio.posix import Posix

io = Posix(tick_s=0.02)
listening = socket.create_server(("127.0.0.1", 0))
listener = io.listener(listening)
accepted = []

async def accept():
    accepted.extend(await listener.accept())

async def until_accepted():
    while not accepted:
        await io.sleep(0.001)

io.spawn(accept())
io.run(io.sleep(0))  # nobody is there: from now on the helper thread waits
child = os.fork()
if child == 0:
    listener.close()
    io.close()
    os._exit(0)
os.waitpid(child, 0)
client = socket.create_connection(listening.getsockname())
io.run(until_accepted())
print(len(accepted), "accepted")
for sock in (client, listening, *accepted, *listener.close()):
    sock.close()
io.close()
"""


def test_a_forked_child_that_closes_its_copy_leaves_its_parent_accepting() -> None:
    child = subprocess.run(
        [sys.executable, "-c", COPIED], stdout=subprocess.PIPE, check=True, timeout=PATIENCE_S
    )
    assert child.stdout == b"1 accepted\n"


FORKING = """
import os, sys
from fivefold.errors import Unavailable
from fivefold.iomodels.aio.posix import Posix

def use():
    io = Posix(tick_s=0.02)
    io.run(io.sleep(0))
    return io

def in_child():
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            use().close()
            print("works")
        except Unavailable:
            print("refused")
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(child, 0)

in_child()
assert Posix.available() is None
in_child()
io = use()
in_child()
io.close()
in_child()
while len(os.listdir("/proc/self/task")) > 1:
    os.sched_yield()
in_child()
"""


def test_a_child_refuses_instead_of_hanging() -> None:
    """Before use, after the probe, during use, with idle threads left behind, without."""
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, check=True)
    heard = done.stdout.decode().split()
    assert heard[:3] == ["works", "works", "refused"]
    assert heard[3] in {"refused", "works"}  # idle threads stay for a second
    assert heard[4] == "works"


def test_only_a_queued_operation_can_be_cancelled(io: Posix) -> None:
    ours, peer = socket.socketpair()
    byte = ctypes.create_string_buffer(1)
    blocks = [posix_aio.ControlBlock() for _ in range(2)]
    waiting: posix_aio.WaitList[posix_aio.ControlBlock] = posix_aio.WaitList()
    for block in blocks:
        block.fd, block.buffer, block.count = ours.fileno(), ctypes.addressof(byte), 1
        posix_aio.read(block)
        waiting.add(block)
    running, queued = blocks
    assert posix_aio.cancel(queued)
    with pytest.raises(OSError, match="cancel"):
        posix_aio.result(queued)
    waiting.remove(queued)
    assert not posix_aio.is_done(running)
    peer.sendall(b"x")
    while not posix_aio.is_done(running):
        waiting.suspend(PATIENCE_S)
    assert (posix_aio.result(running), byte.raw) == (1, b"x")
    ours.close()
    peer.close()


def test_statistics_and_traits(io: Posix) -> None:
    connection, peer = connected(io)

    async def main() -> None:
        await connection.send(b"x")
        await connection.close()

    with peer:
        io.run(main())
    assert io.statistics()["operations"] >= 2
    assert io.statistics()["threads"] == posix_pool.AIO_THREADS
    assert Posix.traits.max_connections == MAX_CONNECTIONS
