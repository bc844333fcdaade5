"""Connections of a model inside a loop of asyncio, and what both do to each other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from fivefold.errors import DeadlineExceeded
from fivefold.iomodels.asyncio_loop.bridge import await_in_task
from fivefold.iomodels.asyncio_loop.engines import loop_engine
from fivefold.iomodels.asyncio_loop.loop import LoopModel
from fivefold.iomodels.blocking import Blocking
from fivefold.iomodels.interface import Connection, IOModel
from fivefold.iomodels.lifetime import NEVER
from support.applicable import only
from support.engines.fixtures import TICK_S, tcp_pair


@pytest.fixture
def host(engine: type[IOModel]) -> Iterator[LoopModel]:
    made = LoopModel(loop_engine(engine)(tick_s=TICK_S, connections=16))
    yield made
    made.close()


@pytest.fixture
def pair(host: LoopModel) -> Iterator[tuple[Connection, socket.socket]]:
    server, peer = tcp_pair()
    connection = host.connection(server)
    yield connection, peer
    peer.close()
    if connection.sock.fileno() >= 0:
        host.run(connection.close())


Pair = tuple[Connection, socket.socket]


def test_a_connection_and_timers_of_asyncio(host: LoopModel, pair: Pair) -> None:
    connection, peer = pair

    async def main() -> bytes:
        asyncio.get_running_loop().call_later(0.002, peer.send, b"hello")
        got = await connection.recv()
        await asyncio.sleep(0.001)
        await connection.send(got, b" again")
        return got

    assert host.run(main()) == b"hello"
    assert peer.recv(100) == b"hello again"


def test_large_data_both_ways(host: LoopModel, pair: Pair) -> None:
    connection, peer = pair
    data = bytes(range(256)) * 8192

    async def main() -> None:
        reading = asyncio.to_thread(read_exactly, peer, len(data))
        reader = asyncio.ensure_future(reading)
        await connection.send(data)
        assert await reader == data
        sending = asyncio.ensure_future(asyncio.to_thread(peer.sendall, data))
        parts = b""
        while len(parts) < len(data):
            parts += await connection.recv()
        await sending
        assert parts == data

    host.run(main())


def read_exactly(peer: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += peer.recv(1 << 20)
    return data


@only(lambda engine: engine.traits.overlaps)
def test_two_connections_at_once(host: LoopModel) -> None:
    pairs = [tcp_pair(), tcp_pair()]
    connections = [host.connection(server) for server, _ in pairs]
    heard: list[bytes] = []

    async def listen(connection: Connection) -> None:
        heard.append(await connection.recv())
        await connection.close()

    async def main() -> None:
        tasks = [asyncio.create_task(as_task(listen(c))) for c in connections]
        await asyncio.sleep(0)
        pairs[1][1].send(b"second")
        await tasks[1]
        pairs[0][1].send(b"first")
        await tasks[0]

    host.run(main())
    assert heard == [b"second", b"first"]
    for _, peer in pairs:
        peer.close()


async def as_task(operation: Any) -> Any:
    return await await_in_task(operation)


def test_an_operation_can_be_cancelled_and_repeated(host: LoopModel, pair: Pair) -> None:
    connection, peer = pair

    async def main() -> bytes:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(as_task(connection.recv()), 0.005)
        peer.send(b"later")
        return await connection.recv()

    assert host.run(main()) == b"later"


def test_a_deadline_passes_in_a_hosted_connection(host: LoopModel, pair: Pair) -> None:
    connection, _ = pair

    async def main() -> None:
        connection.deadline = monotonic() + TICK_S
        with pytest.raises(DeadlineExceeded):
            await connection.recv()

    host.run(main())


def test_a_deadline_that_passes_within_the_step_of_another_task_is_not_lost(
    host: LoopModel, pair: Pair
) -> None:
    """A loop within a loop sweeps its connections there: the step has to be taken later."""
    connection, _ = pair

    async def main() -> None:
        reading = asyncio.create_task(as_task(connection.recv()))
        await asyncio.sleep(0)
        host.io._throw(connection.reader, DeadlineExceeded())  # type: ignore[attr-defined]
        with pytest.raises(DeadlineExceeded):
            await asyncio.wait_for(reading, 10)

    host.run(main())


def test_an_application_awaits_both_in_tasks_of_its_own(host: LoopModel, pair: Pair) -> None:
    """What an ASGI server does: `receive` is hosted in whichever task awaits it."""
    connection, peer = pair

    async def receive() -> bytes:
        return await await_in_task(connection.recv())

    async def application() -> bytes:
        inner = asyncio.create_task(receive())
        await asyncio.sleep(0)
        peer.send(b"1")
        first = await inner
        peer.send(b"2")
        return first + await receive()

    assert host.run(application()) == b"12"


def test_errors_of_futures_reach_the_operation(host: LoopModel) -> None:
    async def main() -> str:
        future = asyncio.get_running_loop().create_future()
        future.get_loop().call_soon(future.set_exception, ValueError("told"))
        try:
            await future
        except ValueError as error:
            return str(error)
        return ""

    assert host.run(main()) == "told"


def test_whatever_wakes_the_model_wakes_who_awaits_it(host: LoopModel) -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(0.002, host.wake)
        await host.woken

    host.run(main())


def test_sleep_and_resume(host: LoopModel) -> None:
    async def main() -> list[str]:
        order: list[str] = []

        async def sleeper() -> None:
            await host.sleep(0.002)
            order.append("slept")

        host.spawn(sleeper())
        await host.sleep(0.01)
        order.append("slept longer")
        asyncio.get_running_loop().call_soon(host.resume, host.woken)
        await host.woken
        return [*order, "resumed"]

    assert host.run(main()) == ["slept", "slept longer", "resumed"]


def test_a_listener_and_its_connections(host: LoopModel) -> None:
    """On every model, one client after the other: all are answered."""
    listening = socket.create_server(("127.0.0.1", 0))
    answered: list[bytes] = []

    async def serve(sock: socket.socket) -> None:
        connection = host.connection(sock)
        data = await connection.recv()
        await connection.send(data.upper())
        await connection.close()

    async def accept() -> None:
        listener = host.listener(listening)
        try:
            while True:
                for sock in await listener.accept():
                    host.spawn(serve(sock))
        finally:
            listener.close()

    def client() -> None:
        with socket.create_connection(listening.getsockname()) as peer:
            peer.sendall(b"hello")
            answered.append(peer.recv(100))

    async def main() -> None:
        accepting = asyncio.create_task(as_task(accept()))
        await asyncio.gather(*(asyncio.to_thread(client) for _ in range(5)))
        accepting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await accepting

    host.run(main())
    listening.close()
    assert answered == [b"HELLO"] * 5


def test_errors_of_spawned_tasks_are_logged(
    host: LoopModel, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ValueError("nobody awaits this")

    async def main() -> None:
        host.spawn(fail())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with caplog.at_level(logging.ERROR, "asyncio"):
        host.run(main())
    assert "a connection ended with an error" in caplog.text


def test_close_cancels_what_still_runs(engine: type[IOModel]) -> None:
    host = LoopModel(loop_engine(engine)(tick_s=TICK_S, connections=4))
    server, peer = tcp_pair()
    ended: list[str] = []

    async def waits() -> None:
        connection = host.connection(server)
        try:
            await connection.recv()
        except asyncio.CancelledError:
            ended.append("cancelled")
            await connection.close()
            raise

    async def main() -> None:
        host.spawn(waits())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    host.run(main())
    host.close()
    host.close()
    peer.close()
    assert ended == ["cancelled"]


def test_an_idle_client_goes_when_another_waits() -> None:
    """The rule of an iterative server, beside another loop."""
    host = LoopModel(loop_engine(Blocking)(tick_s=TICK_S))
    listening = socket.create_server(("127.0.0.1", 0))
    first, second = (socket.create_connection(listening.getsockname()) for _ in range(2))
    served: list[str] = []

    async def serve(sock: socket.socket) -> None:
        connection = host.connection(sock)
        served.append((await connection.recv()).decode())
        connection.heard()
        connection.begin_waiting(NEVER)
        try:
            await connection.recv()
        except DeadlineExceeded:
            served.append("let go")
        await connection.close()

    async def main() -> None:
        listener = host.listener(listening)
        for _ in range(2):
            (sock,) = await listener.accept()
            host.spawn(serve(sock))
        while len(served) < 3:
            await host.sleep(TICK_S)
        second.close()
        listener.close()

    first.send(b"first")
    second.send(b"second")
    host.run(main())
    host.close()
    first.close()
    listening.close()
    assert served[:3] == ["first", "let go", "second"]
