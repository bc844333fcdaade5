"""Every engine, one after the other, and sockets whose other end is plain Python."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, get_type_hints

import pytest

from fivefold.iomodels import engines
from fivefold.iomodels.aio.uring import Uring
from fivefold.iomodels.batching.pace import Pace
from fivefold.iomodels.interface import Connection, IOModel
from fivefold.iomodels.multiplexing import Epoll
from fivefold.iomodels.readiness.connection import ReadyConnection
from support.every_pair import why_not

TICK_S = 0.02

Pair = Callable[..., tuple[Connection, socket.socket]]
Spare = Callable[[Callable[[], Any]], threading.Thread]


def nothing(event: str, detail: dict[str, Any]) -> None:
    """Hears what a watched connection does."""


def watched(engine: type[IOModel]) -> type[IOModel]:
    """The same engine, but a tracer watches each of its connections."""

    @wraps(engine.connection)
    def connection(self: IOModel, sock: socket.socket) -> Connection:
        made = engine.connection(self, sock)
        made.observe(nothing)
        return made

    return type(f"Watched{engine.__name__}", (engine,), {"connection": connection})


WATCHED = [watched(Epoll), watched(Uring)]
"""An engine that makes system calls, which are watched, too, and one that does not."""


def is_watched(engine: Any) -> bool:
    return engine in WATCHED


def name_of(engine: type[IOModel]) -> str:
    return f"watched-{engine.engine}" if is_watched(engine) else engine.engine


@pytest.fixture(params=[*engines(), *WATCHED], ids=name_of)
def engine(request: pytest.FixtureRequest) -> type[IOModel]:
    engine: type[IOModel] = request.param
    reason = why_not(engine)
    if reason:
        pytest.skip(reason)
    return engine


@pytest.fixture
def io(engine: type[IOModel]) -> Iterator[IOModel]:
    model = engine(tick_s=TICK_S, connections=16)
    yield model
    model.close()


@pytest.fixture
def overlapping(io: IOModel) -> IOModel:
    """For cases in which one thread has several things to wait for."""
    assert io.traits.overlaps, "see tests/support/applicable.py"
    return io


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    client.settimeout(30)
    return server, client


@pytest.fixture
def pair(io: IOModel) -> Iterator[Pair]:
    """`connection, peer = pair()`; both are closed at the end of the test."""
    made: list[tuple[Connection, socket.socket]] = []

    def make(*, small_buffers: bool = False) -> tuple[Connection, socket.socket]:
        server, peer = tcp_pair()
        if small_buffers:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.append((io.connection(server), peer))
        return made[-1]

    async def close_all() -> None:
        for connection, _ in made:
            if connection.sock.fileno() >= 0:
                await connection.close()

    yield make
    for _, peer in made:
        peer.close()
    io.run(close_all())


@pytest.fixture
def in_thread() -> Iterator[Spare]:
    """Run something in another thread; it must have ended when the test does."""
    threads: list[threading.Thread] = []

    def start(target: Callable[[], Any]) -> threading.Thread:
        thread = threading.Thread(target=target)
        thread.start()
        threads.append(thread)
        return thread

    yield start
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def makes_calls(engine: type[IOModel]) -> bool:
    """Whether it calls recv(2) and send(2) itself; for others the kernel or glibc does."""
    return issubclass(get_type_hints(engine.connection)["return"], ReadyConnection)


def batches(engine: type[IOModel]) -> bool:
    """Whether its connections take an answer to send it later (`Connection.send_soon`)."""
    can = engine.traits.overlaps and engine.engine not in {"nonblocking", "posix"}
    return can and not is_watched(engine)


def received_by(peer: socket.socket) -> bytes:
    """Everything until the end of the stream."""
    parts = []
    while data := peer.recv(1 << 20):
        parts.append(data)
    return b"".join(parts)


def pace_of(io: IOModel) -> Pace | None:
    """Whether it holds answers; None if it never does."""
    if not io.traits.overlaps:
        return None
    boxes = (getattr(io, name, None) for name in ("sends", "outbox"))
    pace: Pace = next(box for box in boxes if box is not None)
    return pace


def reset(peer: socket.socket) -> None:
    """Close with a reset: SO_LINGER with no time (socket(7))."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
