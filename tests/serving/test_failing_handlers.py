"""A connection coroutine that raises, against its promise, costs its client and nobody else.

`Http1.serve` says that it raises nothing; what if it does, for want of memory or by a fault
of ours?  Here it is replaced by one that raises whatever may be raised.
"""

from __future__ import annotations

import asyncio
import os
import select
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fivefold.accesslog.log import AccessLog
from fivefold.http1.connection import Http1
from fivefold.server.worker import layering
from fivefold.transport.layers import unread
from support.client import Client
from support.every_pair import pairs
from support.servers.folder import Serve

RAISED: list[type[BaseException]] = [
    ValueError,
    KeyboardInterrupt,
    SystemExit,
    asyncio.CancelledError,
    MemoryError,
    RecursionError,
    BaseException,
]


class FailingHttp1(Http1):
    """Raises, with its connection open, for a request of the method RAISE."""

    async def serve(self, conn: Any) -> None:
        data = await conn.recv()
        if data.startswith(b"RAISE "):
            raise RAISED[int(data.split()[1])]
        unread(conn, data)
        await super().serve(conn)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layering, "Http1", FailingHttp1)


def fail(address: tuple[str, int], number: int) -> None:
    """Let the server fail, and see that the client is not kept waiting."""
    with Client(address) as victim:
        victim.send(b"RAISE %d\r\n\r\n" % number)
        assert victim.at_end()


@pairs()
def test_no_number_of_them_makes_the_server_deaf(
    failing: None, serve: Serve, pair: dict[str, str]
) -> None:
    with serve(**pair, max_connections=3) as address:
        for number in range(len(RAISED)):
            fail(address, number)
        with Client(address) as client:
            assert client.get("/1k.bin").status == 200


@pairs(overlapping=True)
def test_others_are_served_on(failing: None, serve: Serve, pair: dict[str, str]) -> None:
    with serve(**pair) as address, Client(address) as other:
        assert other.get("/1k.bin").status == 200
        for number in range(len(RAISED)):
            fail(address, number)
        assert other.get("/1k.bin").status == 200


async def breaks_its_loop(scope: Any, receive: Any, send: Any) -> None:
    """Answers; a task and a callback of it break the event loop meanwhile."""
    if scope["type"] == "http":
        loop = asyncio.get_running_loop()
        breaks: dict[str, Callable[[], object]] = {
            "/task": lambda: tasks.append(loop.create_task(leave())),
            "/callback": lambda: loop.call_soon(sys.exit, 7),
            "/stop": loop.stop,
        }
        breaks[scope["path"]]()
        await asyncio.sleep(0.01)
        await send({"type": "http.response.start", "status": 200, "headers": ()})
        await send({"type": "http.response.body", "body": scope["path"].encode()})


tasks: list[asyncio.Task[None]] = []


async def leave() -> None:
    raise KeyboardInterrupt


@pairs()
def test_an_application_that_breaks_its_event_loop_is_served_on(
    serve: Serve, pair: dict[str, str]
) -> None:
    with serve(target=breaks_its_loop, **pair) as address, Client(address) as client:
        for path in ("/task", "/callback", "/stop") * 2:
            assert client.get(path).body == path.encode()


TICK = struct.Struct("=ii")
"""The process and the thread in which a tick was."""

PATIENCE_S = 30.0


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pipe that has a message for each tick of a worker; and each tick raises."""
    read, write = os.pipe2(os.O_NONBLOCK)

    def tick(_: AccessLog) -> None:
        os.write(write, TICK.pack(os.getpid(), threading.get_native_id()))
        raise RAISED[next(numbers) % len(RAISED)]

    numbers = iter(range(10**9))
    monkeypatch.setattr(AccessLog, "tick", tick)
    yield read
    os.close(read)
    os.close(write)


def ticks_on(read: int) -> None:
    """Wait for a thread that ticks again, after a tick that has raised."""
    seen: set[tuple[int, ...]] = set()
    while select.select([read], [], [], PATIENCE_S)[0]:
        ticked = TICK.unpack(os.read(read, TICK.size))
        if ticked in seen:
            return
        seen.add(ticked)
    pytest.fail("no thread has ticked twice")


@pairs()
def test_a_tick_that_fails_ends_neither_thread_nor_worker(
    serve: Serve, pair: dict[str, str], ticks: int, tmp_path: Path
) -> None:
    short = {"access_log": str(tmp_path / "log"), "linger_s": 0.1}  # a tick is a quarter of that
    with serve(**pair, **short) as address, Client(address) as client:
        ticks_on(ticks)
        assert client.get("/1k.bin").status == 200
