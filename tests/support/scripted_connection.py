"""A scripted connection, and content that answers everything: the exchange without I/O."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from fivefold.content.base import Content
from fivefold.errors import DeadlineExceeded
from fivefold.http1.connection import Http1
from fivefold.http1.exchange import Exchange
from fivefold.http1.limits import Limits
from fivefold.http1.request import Request
from fivefold.http1.response import Response
from fivefold.iomodels.interface import Connection

SILENCE = None
"""In a script: nothing comes until the deadline has passed."""


class FakeConnection(Connection):
    """Hands out `script` part by part, then the end of the stream; keeps what is sent."""

    def __init__(self, script: Iterable[bytes | None]) -> None:
        self._script = iter(script)
        self.sent = b""
        self.closed = False
        self.half_closed = False
        self.yields = 0
        self.reset = False

    fd = -1
    peer = ("192.0.2.1", 4711)
    local = ("192.0.2.2", 80)
    sock: Any = None
    io: Any = None

    async def recv(self) -> bytes:
        data = next(self._script, b"")
        if data is SILENCE:
            assert self.deadline < math.inf, "waited without a deadline"
            raise DeadlineExceeded
        return data

    async def send(self, *buffers: bytes) -> None:
        self.sent += b"".join(buffers)

    async def send_file(self, head: bytes, file: object, offset: int, count: int) -> None:
        raise AssertionError("no files here")

    async def read_file(self, file: object, offset: int, count: int) -> bytes:
        raise AssertionError("no files here")

    async def yield_turn(self) -> None:
        self.yields += 1

    async def close(self) -> None:
        self.closed = True

    def shutdown_send(self) -> None:
        self.half_closed = True

    def interrupt(self) -> None:
        pass

    def has_come(self) -> bool:
        return False

    def reset_on_close(self) -> None:
        self.reset = True


class Echo(Content):
    """200 with a line about the request, so that tests see what was understood."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def respond(self, exchange: Exchange) -> None:
        request = exchange.request
        self.requests.append(request)
        if request.target == b"/missing":
            await exchange.answer(Response(404, [], b"no"))
        else:
            while exchange.body is not None and await exchange.body.read():
                pass
            line = request.method.encode() + b" " + request.target
            await exchange.answer(Response(200, [], line))


def talk(script: Iterable[bytes | None], limits: Limits | None = None) -> FakeConnection:
    """Serve one scripted connection to its end."""
    connection = FakeConnection(script)
    serve(Http1(Echo(), limits or Limits()), connection)
    return connection


def serve(http1: Http1, connection: FakeConnection) -> None:
    """Serve it to its end, at once: nothing in a script is waited for."""
    try:
        http1.serve(connection).send(None)
    except StopIteration:
        pass
    assert connection.closed


def statuses(sent: bytes) -> list[int]:
    """The status codes of what was sent; bodies here never contain a status line."""
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", sent)]
