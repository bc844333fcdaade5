"""io_uring's own quirks: fallbacks, buffers that run out, operations that outlive their user."""

from __future__ import annotations

import errno
import os
import platform
import resource
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from fivefold.errors import DeadlineExceeded, FileShrank, PeerGone
from fivefold.iomodels.aio.uring import Uring
from fivefold.iomodels.aio.uring.connection import HIGH_WATER_BYTES
from fivefold.iomodels.aio.uring.files import CHUNK_BYTES
from fivefold.iomodels.aio.uring.operations import OTHER
from fivefold.iomodels.aio.uring.sender import SILENT_BYTES
from fivefold.iomodels.aio.uring.setup import BUFFER_BYTES, ORDERED_STORES, Features
from fivefold.iomodels.interface import File
from fivefold.iomodels.lifetime import NEVER
from fivefold.iomodels.readiness.listener import GONE_IN_A_ROW
from fivefold.linux import page_cache
from support.ring_features import DETECTED as ALL
from support.ring_features import needs, needs_a_ring

pytestmark = needs_a_ring

FEATURE_SETS = {
    "all": ALL,
    "audible sends": ALL._replace(silent_sends=False),
    "single receives": ALL._replace(multishot_recv=False),
    "own buffers": ALL._replace(multishot_recv=False, buffer_ring=False),
    "single accepts": ALL._replace(multishot_accept=False),
    "cooperative": ALL._replace(deferred=False, silent_sends=False),
    "Linux 5.11": Features(),
}

FEATURES = {
    name: features
    for number, (name, features) in enumerate(FEATURE_SETS.items())
    if features not in [*FEATURE_SETS.values()][:number]
    and (features.deferred or platform.machine() in ORDERED_STORES)
}
"""Those that differ on this kernel, and that its processor allows (`setup.examined`)."""

each_feature_set = pytest.mark.parametrize("features", FEATURES.values(), ids=FEATURES)

TICK_S = 0.01
MEGABYTES = bytes(range(256)) * 32768
"""8 MiB: more than any socket buffer here takes at once."""


@contextmanager
def ring(features: Features = ALL, connections: int = 16) -> Iterator[Uring]:
    before = open_descriptors()
    with closing(Uring(tick_s=TICK_S, connections=connections, features=features)) as io:
        io.sends.cautious = False  # what is handed over leaves at the end of a turn
        yield io
    assert open_descriptors() <= before


def open_descriptors() -> set[str]:
    """Rings and pipes of this process."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{entry.name} {entry.readlink()}")
        except FileNotFoundError:
            pass  # the descriptor of the listing itself
    return {entry for entry in found if "io_uring" in entry or "pipe" in entry}


def highest_descriptor() -> int:
    return max(int(entry.name) for entry in Path("/proc/self/fd").iterdir())


@contextmanager
def tcp_listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listening:
        yield listening


@contextmanager
def tcp_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Our side and the peer's; what is still open at the end is closed."""
    with tcp_listener() as listening, socket.create_connection(listening.getsockname()) as peer:
        ours, _ = listening.accept()
        peer.settimeout(30)
        with ours:
            yield ours, peer


def receive_all(peer: socket.socket) -> bytes:
    pieces = []
    while piece := peer.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


@contextmanager
def reading(peer: socket.socket) -> Iterator[list[bytes]]:
    """The peer reads to the end of the stream in a thread; the list then holds all of it."""
    received: list[bytes] = []
    thread = threading.Thread(target=lambda: received.append(receive_all(peer)))
    thread.start()
    yield received
    thread.join()


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def turns(io: Uring) -> None:
    """A turn or two; `Uring.turn` does nothing once a `run` is over."""
    io.run(io.sleep(0))


def turn_until(io: Uring, condition: Any) -> None:
    """Turns, until `condition()`; the suite's own time limit ends a hang."""
    while not condition():
        turns(io)


# Fallbacks


@each_feature_set
def test_every_feature_set_serves_an_echo(features: Features) -> None:
    async def echo(io: Uring, sock: socket.socket) -> None:
        connection = io.connection(sock)
        while data := await connection.recv():
            await connection.send(b"<", data, b">")
        await connection.close()

    async def main(io: Uring, listening: socket.socket) -> None:
        listener = io.listener(listening)
        accepted: list[socket.socket] = []
        while len(accepted) < len(clients):
            accepted += await listener.accept()
        assert not listener.close()
        for sock in accepted:
            await echo(io, sock)

    with tcp_listener() as listening, ring(features) as io, ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(listening.getsockname())) for _ in range(5)
        ]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
            client.shutdown(socket.SHUT_WR)

        io.run(main(io, listening))

        for number, client in enumerate(clients):
            assert receive_all(client) == b"<%d>" % number


@each_feature_set
def test_every_feature_set_sends_more_than_fits(features: Features) -> None:
    async def main(io: Uring, sock: socket.socket) -> None:
        connection = io.connection(sock)
        await connection.send(MEGABYTES)
        await connection.send(b"the ", b"end")
        await connection.close()

    with tcp_pair() as (ours, peer), ring(features) as io:
        with reading(peer) as received:
            io.run(main(io, ours))

        assert received == [MEGABYTES + b"the end"]


@each_feature_set
def test_every_feature_set_receives_more_than_fits(features: Features) -> None:
    received = bytearray()

    async def main(io: Uring, sock: socket.socket) -> None:
        connection = io.connection(sock)
        while data := await connection.recv():
            received.extend(data)
        await connection.close()

    def send(peer: socket.socket) -> None:
        peer.sendall(MEGABYTES)
        peer.shutdown(socket.SHUT_WR)

    with tcp_pair() as (ours, peer), ring(features) as io:
        sender = threading.Thread(target=send, args=(peer,))
        sender.start()
        io.run(main(io, ours))
        sender.join()

        assert received == MEGABYTES


def test_features_in_use_are_shown() -> None:
    assert Features(deferred=True).in_words().startswith("deferred; without cooperative, multishot")
    assert ALL.in_words()


REFUSED = """
import sys, fivefold.iomodels as iomodels
from support import seccomp
from fivefold.iomodels.aio.uring import Uring
from fivefold.errors import Unavailable
seccomp.refuse(425, int(sys.argv[1]))
print(Uring.available())
try:
    engine, passed_over = iomodels.resolve("aio")
except Unavailable as error:
    engine, passed_over = None, [str(error)]
assert engine is not Uring
print(passed_over[0])
"""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errno.EPERM, "forbidden here, probably by a container's seccomp profile"),
        (errno.ENOSYS, "has no io_uring"),
        (errno.ENOMEM, "no memory for a ring"),
        (errno.EOPNOTSUPP, "does not support io_uring"),
        (errno.EINVAL, "Invalid argument (EINVAL)"),
    ],
    ids=lambda value: errno.errorcode.get(value, "") if isinstance(value, int) else "",
)
def test_refused_set_up_is_put_into_words_and_passed_over(error: int, words: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    child = subprocess.run(
        [sys.executable, "-c", REFUSED, str(error)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert child.returncode == 0, child.stderr
    reason, sentence = child.stdout.splitlines()
    assert words in reason
    assert f"uring is not available: {reason}" in sentence


# Buffers and back-pressure


@needs("buffer_ring")
def test_running_out_of_buffers_loses_nothing() -> None:
    async def receive(connection: Any, into: bytearray) -> None:
        while data := await connection.recv():
            into.extend(data)
        await connection.close()

    with ring(connections=1) as io, ExitStack() as stack:
        assert io.buffers is not None
        piece = os.urandom(3 * BUFFER_BYTES)
        received = [bytearray() for _ in range(8)]
        for into in received:
            ours, peer = stack.enter_context(tcp_pair())
            peer.sendall(piece)
            peer.shutdown(socket.SHUT_WR)
            io.spawn(receive(io.connection(ours), into))

        turn_until(io, lambda: all(len(into) == len(piece) for into in received))

        assert all(into == piece for into in received)
        assert io.statistics()["ran out of buffers"] > 0


@needs("multishot_recv")
def test_inbox_is_bounded_while_nobody_reads() -> None:
    sent = bytearray()
    received = bytearray()

    async def first(connection: Any) -> None:
        received.extend(await connection.recv())

    async def others(connection: Any) -> None:
        while data := await connection.recv():
            received.extend(data)

    def sent_more(peer: socket.socket) -> bool:
        # Less than the ring's buffers hold: running out of them would end the receive, too.
        piece = os.urandom(BUFFER_BYTES)
        try:
            sent.extend(piece[: peer.send(piece)])
        except BlockingIOError:
            return False
        return True

    with tcp_pair() as (ours, peer), ring(connections=1) as io:
        assert io.buffers is not None
        connection = io.connection(ours)
        bound = HIGH_WATER_BYTES + len(io.buffers.memory)
        peer.setblocking(False)
        sent_more(peer)
        io.run(first(connection))
        while sent_more(peer):
            turns(io)
            assert connection._inbox_bytes <= bound

        assert io.statistics()["paused receives"] > 0
        peer.shutdown(socket.SHUT_WR)
        io.run(others(connection))
        assert received == sent
        io.run(connection.close())


@needs("buffer_ring")
def test_ring_for_one_connection_is_small() -> None:
    with ring(connections=1) as io:
        assert io.buffers is not None
        assert len(io.buffers.memory) <= 65536
        assert io.ring.entries <= 8


# Deadlines and ends


@each_feature_set
def test_connection_still_sends_and_receives_after_a_deadline(features: Features) -> None:
    async def main(io: Uring, sock: socket.socket) -> bytes:
        connection = io.connection(sock)
        connection.deadline = monotonic()
        with pytest.raises(DeadlineExceeded):
            await connection.recv()
        connection.deadline = NEVER
        await connection.send(b"408")
        connection.shutdown_send()
        late = await connection.recv()
        await connection.close()
        return late

    with tcp_pair() as (ours, peer), ring(features) as io, reading(peer) as received:
        # The peer's reader sees the end of the stream, so "408" has come; only then it writes.
        answering = threading.Thread(target=answer_after, args=(received, peer, b"late"))
        answering.start()

        assert io.run(main(io, ours)) == b"late"

        answering.join()
        assert received == [b"408"]


def answer_after(received: list[bytes], peer: socket.socket, answer: bytes) -> None:
    while not received:
        os.sched_yield()
    peer.sendall(answer)


@each_feature_set
def test_late_send_ends_with_its_connection(features: Features) -> None:
    async def main(io: Uring, sock: socket.socket) -> None:
        connection = io.connection(sock)
        connection.deadline, connection.progress_s = monotonic(), 0.0
        with pytest.raises(DeadlineExceeded):
            await connection.send(MEGABYTES)
        await connection.close()

    with tcp_pair() as (ours, peer), ring(features) as io:
        io.run(main(io, ours))
        turn_until(io, lambda: ours.fileno() < 0)

        arrived = receive_all(peer)
        assert len(arrived) < len(MEGABYTES)
        assert MEGABYTES.startswith(arrived)


def test_progress_gives_a_slow_reader_more_time() -> None:
    async def main(io: Uring, sock: socket.socket) -> None:
        connection = io.connection(sock)
        connection.deadline, connection.progress_s = monotonic() + 60, 120
        before = connection.deadline
        await connection.send(MEGABYTES)
        assert connection.deadline > before
        await connection.close()

    with tcp_pair() as (ours, peer), ring() as io, reading(peer) as received:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)  # else it may fit at once
        io.run(main(io, ours))
    assert received == [MEGABYTES]


@each_feature_set
def test_data_after_close_touch_nothing(features: Features) -> None:
    async def main(io: Uring, sock: socket.socket) -> Any:
        connection = io.connection(sock)
        connection.deadline = monotonic()
        with pytest.raises(DeadlineExceeded):
            await connection.recv()
        await connection.close()
        return connection

    with tcp_pair() as (ours, peer), ring(features) as io:
        connection = io.run(main(io, ours))
        number = connection.number
        peer.sendall(b"x" * 4096)
        turn_until(io, lambda: number not in io.targets)

        assert ours.fileno() < 0
        assert not connection._inbox
        assert not any(connection._own or b"")
        assert peer.recv(1) == b""


def test_reused_descriptor_gets_its_own_data_only() -> None:
    async def first_piece(connection: Any) -> bytes:
        data: bytes = await connection.recv()
        await connection.close()
        return data

    with ring() as io:
        numbers = set()
        for round_ in range(20):
            with tcp_pair() as (ours, peer):
                numbers.add(ours.fileno())
                peer.sendall(b"%d" % round_)
                assert io.run(first_piece(io.connection(ours))) == b"%d" % round_
                turn_until(io, lambda ours=ours: ours.fileno() < 0)

        assert len(numbers) < 20


def test_model_closes_with_everything_outstanding() -> None:
    async def receive(connection: Any) -> None:
        try:
            await connection.recv()
        finally:
            await connection.close()

    with tcp_listener() as listening, tcp_pair() as (ours, _), tcp_pair() as (clogged, _):
        with ring() as io:
            io.spawn(receive(io.connection(ours)))
            io.spawn(io.connection(clogged).send(MEGABYTES))
            io.spawn(io.listener(listening).accept())
            io.spawn(io.sleep(1000))
            for _ in range(3):
                io.turn(0)

        assert ours.fileno() < 0


# Sending


def test_posted_sends_keep_their_order_when_the_peer_is_slow() -> None:
    pieces = [bytes([number]) * 30000 for number in range(100)]

    async def main(io: Uring, sock: socket.socket) -> None:
        connection = io.connection(sock)
        for piece in pieces:
            await connection.send(piece)
        connection.shutdown_send()
        assert await connection.recv() == b"seen"
        await connection.close()

    def read_slowly(peer: socket.socket) -> None:
        while piece := peer.recv(7000):
            received.extend(piece)
        peer.sendall(b"seen")

    received = bytearray()
    with tcp_pair() as (ours, peer), ring() as io:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        thread = threading.Thread(target=read_slowly, args=(peer,))
        thread.start()
        io.run(main(io, ours))
        thread.join()

        assert received == b"".join(pieces)


@needs("silent_sends")
def test_small_send_leaves_no_completion() -> None:
    async def main(io: Uring, sock: socket.socket) -> None:
        connection = io.connection(sock)
        await connection.send(b"x" * SILENT_BYTES)
        await connection.send(b"y")
        await connection.close()

    with tcp_pair() as (ours, peer), ring() as io:
        io.run(main(io, ours))

        assert receive_all(peer) == b"x" * SILENT_BYTES + b"y"
        assert io.statistics()["completions"] == 0


def test_sent_data_leave_although_the_run_ends() -> None:
    with tcp_pair() as (ours, peer), ring() as io:
        connection = io.connection(ours)
        io.run(connection.send(b"last words"))

        assert peer.recv(100) == b"last words"
        io.run(connection.close())


@each_feature_set
def test_reset_is_reported_as_peer_gone(features: Features) -> None:
    async def receive(connection: Any) -> None:
        with pytest.raises(PeerGone):
            await connection.recv()

    async def send_for_ever(connection: Any) -> None:
        while True:
            await connection.send(b"x")
            await io.sleep(0)

    async def send(connection: Any) -> None:
        with pytest.raises(PeerGone):
            await send_for_ever(connection)
        await connection.close()

    with tcp_pair() as (ours, peer), ring(features) as io:
        connection = io.connection(ours)
        reset(peer)
        io.run(receive(connection))
        io.run(send(connection))
        assert ours.fileno() < 0


# Listening


def test_no_descriptor_left_is_raised_and_accepting_goes_on() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    hoard: list[int] = []

    async def main(listener: Any) -> None:
        with pytest.raises(OSError, match="Too many open files"):
            await listener.accept()
        while hoard:
            os.close(hoard.pop())
        for sock in await listener.accept():
            sock.close()

    with tcp_listener() as listening, ring() as io:
        listener = io.listener(listening)
        with socket.create_connection(listening.getsockname()):
            limit = highest_descriptor() + 1
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            try:
                with pytest.raises(OSError, match="Too many open files"):
                    hoard.extend(iter(lambda: os.dup(listening.fileno()), -1))
                io.run(main(listener))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                while hoard:
                    os.close(hoard.pop())
        listener.close()


def test_who_is_never_allowed_to_accept_does_not_spin() -> None:
    """A security module can refuse every accept; no program of ours can have the ring do so."""

    async def main(listener: Any) -> None:
        with pytest.raises(PermissionError):
            await listener.accept()

    with tcp_listener() as listening, ring() as io:
        listener = io.listener(listening)
        for _ in range(GONE_IN_A_ROW):
            assert not listener._error
            listener.completed(OTHER, -errno.EPERM, 0)
        io.run(main(listener))
        listener.close()


@each_feature_set
def test_unwanted_clients_wait_in_the_kernel_and_come_out_at_close(features: Features) -> None:
    async def accept(listener: Any) -> None:
        accepted.extend(await listener.accept())

    accepted: list[socket.socket] = []
    with tcp_listener() as listening, ring(features, connections=4) as io, ExitStack() as stack:
        listener = io.listener(listening)
        for number in range(30):
            address = listening.getsockname()
            stack.enter_context(socket.create_connection(address))
            if number == 0:
                io.run(accept(listener))
            turns(io)
            assert len(listener._queue) < 8

        accepted += listener.close()
        assert len(accepted) == 30
        for sock in accepted:
            sock.close()


@each_feature_set
def test_listener_closed_while_completions_are_put_off_loses_no_client(features: Features) -> None:
    """A cautious ring collects completions in the middle of a turn, and keeps them for the next:
    the last one of the accept may be among them."""
    accepted = list[socket.socket]()

    async def accept(listener: Any) -> None:
        accepted.extend(await listener.accept())

    async def main(io: Uring, listener: Any) -> None:
        io.spawn(accept(listener))
        await io.sleep(TICK_S)  # it is in the ring
        peers.enter_context(socket.create_connection(address))
        while not io._postponed:
            io.submit()
        accepted.extend(listener.close())

    with tcp_listener() as listening, ring(features) as io, ExitStack() as peers:
        address = listening.getsockname()
        io.run(main(io, io.listener(listening)))
        assert len(accepted) == 1
        accepted[0].close()


def test_listener_closed_amid_a_batch_loses_no_client() -> None:
    accepted: list[socket.socket] = []
    received: list[bytes] = []

    async def receive(connection: Any) -> None:
        received.append(await connection.recv())
        await connection.close()

    async def main(listener: Any) -> None:
        accepted.extend(await listener.accept())  # resumed at the first of many completions
        accepted.extend(listener.close())

    with (
        tcp_pair() as (ours, peer),
        tcp_listener() as listening,
        ring() as io,
        ExitStack() as stack,
    ):
        io.spawn(receive(io.connection(ours)))
        io.turn(0)
        for _ in range(50):
            stack.enter_context(socket.create_connection(listening.getsockname()))
        peer.sendall(b"not lost either")
        io.run(main(io.listener(listening)))
        turn_until(io, lambda: received)

        assert len(accepted) == 50
        assert received == [b"not lost either"]
        for sock in accepted:
            sock.close()


# Files


@each_feature_set
def test_cold_file_arrives_through_the_ring(features: Features, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(MEGABYTES)

    async def main(io: Uring, sock: socket.socket, file: File) -> bytes:
        connection = io.connection(sock)
        await connection.send(b"before ")
        await connection.send_file(b"head ", file, 1, len(MEGABYTES) - 1)
        await connection.send_file(b"", file, 0, 0)
        read = await connection.read_file(file, CHUNK_BYTES, 3 * CHUNK_BYTES)
        assert await connection.read_file(file, len(MEGABYTES) - 2, 100) == MEGABYTES[-2:]
        await connection.close()
        return read

    with tcp_pair() as (ours, peer), ring(features) as io, path.open("rb") as opened:
        page_cache.evict(opened.fileno())
        with reading(peer) as received:
            read = io.run(main(io, ours, File(opened.fileno(), len(MEGABYTES))))

        assert read == MEGABYTES[CHUNK_BYTES : 4 * CHUNK_BYTES]
        assert received == [b"before head " + MEGABYTES[1:]]


def test_shrunken_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"short")

    async def main(io: Uring, sock: socket.socket, file: File) -> None:
        connection = io.connection(sock)
        with pytest.raises(FileShrank):
            await connection.send_file(b"head ", file, 0, 1000)
        await connection.close()

    with tcp_pair() as (ours, peer), ring() as io, path.open("rb") as opened:
        io.run(main(io, ours, File(opened.fileno(), 1000)))

        assert receive_all(peer) == b"head short"


# Threads and processes


def test_wake_from_another_thread() -> None:
    async def main(io: Uring) -> None:
        for _ in range(3):
            threading.Thread(target=io.wake).start()
            await io.woken

    with ring() as io:
        io.run(main(io))


async def nothing() -> None:
    """Something to run."""


def outcome(main: Coroutine[Any, Any, None], io: Uring) -> str:
    try:
        io.run(main)
    except RuntimeError as error:
        return str(error)
    return "ran"


@each_feature_set
def test_foreign_thread_is_refused(features: Features) -> None:
    said: list[str] = []
    with ring(features) as io:
        foreigner = threading.Thread(target=lambda: said.append(outcome(nothing(), io)))
        foreigner.start()
        foreigner.join()

        assert "belongs to the thread that made it" in said[0]
        assert outcome(nothing(), io) == "ran"


@needs("deferred")
def test_kernel_refuses_a_foreign_thread_too() -> None:
    said: list[str] = []

    def turn(io: Uring) -> None:
        try:
            io.turn(0)
        except RuntimeError as error:
            said.append(str(error))

    with ring() as io:
        foreigner = threading.Thread(target=turn, args=(io,))
        foreigner.start()
        foreigner.join()

        assert "belongs to the thread that made it" in said[0]


FORKED = """
import os
from fivefold.iomodels.aio.uring import Uring

io = Uring(connections=1)
async def nothing(): pass
child = os.fork()
if not child:
    try:
        io.run(nothing())
    except RuntimeError as error:
        print(error, flush=True)
    io.close()
    os._exit(0)
os.waitpid(child, 0)
io.run(nothing())
io.close()
print("the parent's ring is unharmed")
"""


def test_forked_child_is_refused_and_harms_nothing() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", FORKED]
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    refusal, parent = child.stdout.splitlines()
    assert "in that thread and after any fork" in refusal
    assert parent == "the parent's ring is unharmed"
