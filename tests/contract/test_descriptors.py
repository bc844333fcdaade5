"""Accepting, exhausted and high descriptors, reused numbers, and nothing left behind."""

from __future__ import annotations

import errno
import gc
import os
import resource
import socket
import threading
import types
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fivefold.errors import LimitReached
from fivefold.iomodels.interface import IOModel, Waiter
from support.engines.fixtures import TICK_S, Pair, received_by, tcp_pair

Connect = Callable[[int], list[socket.socket]]


@pytest.fixture
def connected(listening: socket.socket) -> Iterator[Connect]:
    """So many clients, closed in all cases: what a failed test leaves open fails the next."""
    with ExitStack() as ends:
        yield lambda count: [
            ends.enter_context(socket.create_connection(listening.getsockname()))
            for _ in range(count)
        ]


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        yield listener


def test_accept_brings_everybody(io: IOModel, listening: socket.socket, connected: Connect) -> None:
    clients = connected(100)
    expected = {client.getsockname() for client in clients}
    listener = io.listener(listening)

    async def main() -> set[object]:
        peers: set[object] = set()
        while len(peers) < len(clients):
            for sock in await listener.accept():
                peers.add(sock.getpeername())
                sock.close()
        return peers

    assert io.run(main()) == expected
    assert listener.close() == []


def test_close_returns_who_is_connected_already(
    io: IOModel, listening: socket.socket, connected: Connect
) -> None:
    listener = io.listener(listening)
    clients = connected(20)
    with ExitStack() as ends:
        left = [ends.enter_context(sock) for sock in listener.close()]
        assert {s.getpeername() for s in left} == {c.getsockname() for c in clients}


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """Lower the limit to what is open: the next one fails with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(fd.name) for fd in Path("/proc/self/fd").iterdir())
    fillers = [os.open("/dev/null", os.O_RDONLY)]
    while fillers[-1] < highest:
        fillers.append(os.dup(fillers[0]))
    resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[-1] + 1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in fillers:
            os.close(fd)


def test_out_of_descriptors_accept_says_so_and_works_again_later(
    io: IOModel, listening: socket.socket
) -> None:
    listener = io.listener(listening)
    with socket.create_connection(listening.getsockname()) as client:

        async def main() -> list[socket.socket]:
            with no_descriptors_left(), pytest.raises(OSError) as raised:  # noqa: PT011 - errno below
                while not await listener.accept():
                    pass
            assert raised.value.errno == errno.EMFILE
            accepted: list[socket.socket] = []
            while not accepted:
                accepted = await listener.accept()
            return accepted

        (sock,) = io.run(main())
        assert sock.getpeername() == client.getsockname()
        sock.close()
    assert listener.close() == []


def test_a_descriptor_above_1023_works_or_is_refused_clearly(
    engine: type[IOModel], pair: Pair, io: IOModel
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    fillers = [os.open("/dev/null", os.O_RDONLY)]
    try:
        while fillers[-1] < 1030:
            fillers.append(os.dup(fillers[0]))
        server, client = tcp_pair()
        with client:
            assert server.fileno() > 1023
            try:
                connection = io.connection(server)
            except LimitReached as refused:
                assert "1023" in str(refused) or "FD_SETSIZE" in str(refused)
                assert io.traits.max_connections is not None
                server.close()
                return
            client.sendall(b"high")

            async def main() -> bytes:
                data = await connection.recv()
                await connection.send(data.upper())
                await connection.close()
                return data

            assert io.run(main()) == b"high"
            assert received_by(client) == b"HIGH"
    finally:
        for fd in fillers:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_model_takes_as_many_descriptors_as_it_says(engine: type[IOModel]) -> None:
    """What a thread costs, by which connections are limited (`serving.limit`)."""
    before = len(os.listdir("/proc/self/fd"))
    model = engine(tick_s=1.0, connections=1)
    taken = len(os.listdir("/proc/self/fd")) - before
    model.close()
    assert taken == engine.traits.own_descriptors


def test_a_reused_descriptor_number_gets_only_its_own_data(io: IOModel) -> None:
    numbers = set()

    async def main() -> None:
        for turn in range(30):
            server, client = tcp_pair()
            numbers.add(server.fileno())
            connection = io.connection(server)
            client.sendall(b"%d" % turn)
            assert await connection.recv() == b"%d" % turn
            client.sendall(b"stale: an event of it may still be on its way")
            await connection.close()
            client.close()

    io.run(main())
    assert len(numbers) < 30


def test_a_copy_gives_up_no_number_that_its_parent_had_closed(io: IOModel) -> None:
    """Another thread of the parent may have closed the connection just before the fork, and the
    application that forked opened a file."""
    server, client = tcp_pair()
    connection = io.connection(server)
    mine: list[int] = []

    async def main() -> None:
        await connection.close()
        mine.extend(os.open("/dev/null", os.O_RDONLY) for _ in range(4))
        connection.give_up()

    with client:
        io.run(main())
    for fd in mine:
        os.close(fd)  # raises if it is not open any more


def test_a_copy_ends_no_coroutine_of_its_parent(overlapping: IOModel) -> None:
    """What its `finally` would do is the parent's to do; and one to which nothing refers ends."""
    io, ended = overlapping, 0

    async def going_on(waiter: Waiter) -> None:
        nonlocal ended
        try:
            await waiting(waiter)
        finally:
            ended += 1

    async def main() -> int:
        waiter = Waiter()
        io.spawn(going_on(waiter))
        await io.sleep(0)
        io.resume(waiter)
        del waiter
        pid = os.fork()
        if pid == 0:
            io.give_up()
            gc.collect()
            os._exit(ended)
        return pid

    pid = io.run(main())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@types.coroutine
def waiting(waiter: Waiter) -> Generator[Waiter, None, None]:
    yield waiter


def test_close_leaves_no_descriptor_and_no_thread(engine: type[IOModel], tmp_path: Path) -> None:
    def once() -> None:
        io = engine(tick_s=TICK_S, connections=16)
        server, client = tcp_pair()
        connection = io.connection(server)
        client.sendall(b"x")

        async def main() -> None:
            await connection.recv()
            await connection.close()

        io.run(main())
        io.close()
        client.close()

    once()  # what is made once per process is made
    before = sorted(os.listdir("/proc/self/fd")), threading.active_count()
    once()
    assert (sorted(os.listdir("/proc/self/fd")), threading.active_count()) == before
