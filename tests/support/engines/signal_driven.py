"""What the tests of signal-driven I/O share."""

from __future__ import annotations

import os
import resource
import signal
import socket
import traceback
from collections.abc import Callable
from time import monotonic

from fivefold.iomodels.interface import Connection, Task
from fivefold.iomodels.sigio import OURS, Sigio

PATIENCE_S = 20.0
"""A test that waits so long has lost a signal."""


def patient(io: Sigio, sock: socket.socket) -> Connection:
    """A connection whose operations fail, instead of hanging, when nothing tells of them."""
    connection = io.connection(sock)
    connection.deadline = monotonic() + PATIENCE_S
    connection.progress_s = PATIENCE_S
    return connection


def run(io: Sigio, main: Task) -> None:
    """Drive `main`, but fail instead of hanging."""

    async def give_up() -> None:
        await io.sleep(PATIENCE_S)
        raise AssertionError("nothing ended the wait")

    io.spawn(give_up())
    io.run(main)


async def read_all(connection: Connection) -> bytes:
    received = b""
    while data := await connection.recv():
        received += data
    return received


async def recv_without_hints(io: Sigio, connection: Connection, peer: socket.socket) -> None:
    """Receive something that was waited for: every earlier hint is used up then."""

    async def send() -> None:
        peer.send(b"waited for")

    io.spawn(send())
    assert await connection.recv() == b"waited for"


async def turns(io: Sigio, count: int) -> None:
    """Let the model collect signals while nobody waits for them."""
    for _ in range(count):
        await io.sleep(0)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        return server.accept()[0], peer


def in_child(check: Callable[[], None]) -> None:
    """Run `check` in a process of its own, with an empty mask: for limits and deadly signals."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
        try:
            check()
        except BaseException:  # noqa: BLE001 - the parent tells of it
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def lower(limit: int, soft: int) -> None:
    resource.setrlimit(limit, (soft, resource.getrlimit(limit)[1]))


def everything_passes(io: Sigio, *, both_ways: bool) -> None:
    """More than the buffers hold, through one signal per descriptor."""
    size = 8 << 20
    left, right = tcp_pair()
    received: list[int] = []

    async def send(connection: Connection) -> None:
        await connection.send(bytes(size))
        connection.shutdown_send()

    async def receive(connection: Connection) -> None:
        received.append(len(await read_all(connection)))
        io.wake()

    async def main() -> None:
        ends = [patient(io, left), patient(io, right)]
        ways = [(ends[0], ends[1]), (ends[1], ends[0])][: 2 if both_ways else 1]
        for sender, receiver in ways:
            io.spawn(send(sender))
            io.spawn(receive(receiver))
        while len(received) < len(ways):
            await io.woken
        for end in ends:
            await end.close()

    run(io, main())
    assert set(received) == {size}
