"""A connection coroutine that raises, against its promise, costs its client and nobody else.

`Http1.serve` says that it raises nothing; what if it does, for want of memory or by a fault
of ours?  Here it is replaced by one that raises whatever may be raised.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

from fivefold.http1.connection import Http1
from fivefold.server import composition
from fivefold.transport.unread import unread
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
    monkeypatch.setattr(composition, "Http1", FailingHttp1)


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
