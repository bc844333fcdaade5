"""Pipelined requests: the time is that of each request, and the others have their turn."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator

import pytest

from fivefold.content.base import Content
from fivefold.http1 import connection as http1
from fivefold.http1 import exchange
from fivefold.http1.answer import Answer, Whole
from fivefold.http1.connection import Http1
from fivefold.http1.exchange import Exchange
from fivefold.http1.limits import Limits
from fivefold.http1.request import Request
from fivefold.http1.response import ResponseHead
from fivefold.http1.stream import HttpConnection
from support.scripted_connection import FakeConnection

REQUEST = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"
LIMITS = Limits()


class Clock:
    """Stands still unless somebody lets time pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (http1, exchange):
        monkeypatch.setattr(module, "monotonic", clock)
    return clock


class Slow(Content):
    """Content that takes its time for each answer, at once or in `respond`."""

    def __init__(self, clock: Clock, seconds: float, *, ready: bool) -> None:
        self._clock, self._seconds, self._ready = clock, seconds, ready
        self.asked: list[float] = []

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        self.asked.append(now)
        if not self._ready:
            return None
        self._clock.now += self._seconds
        return Whole.made(ResponseHead(200, []), ANSWER)

    async def respond(self, exchange: Exchange) -> None:
        self._clock.now += self._seconds
        await exchange.conn.send(ANSWER)
        exchange.started = exchange.finished = True


class Watched(FakeConnection):
    """Notes how much time each receive would have had, and lets some pass."""

    def __init__(self, clock: Clock, script: Iterator[bytes], seconds: float) -> None:
        super().__init__(script)
        self._clock, self._seconds = clock, seconds
        self.given: list[float] = []

    async def recv(self) -> bytes:
        self.given.append(self.deadline - self._clock.now)
        self._clock.now += self._seconds
        return await super().recv()


@pytest.mark.parametrize("ready", [True, False])
def test_every_request_is_asked_at_its_own_time(clock: Clock, *, ready: bool) -> None:
    """Continuous pipelining: the next request has always begun when one is answered."""
    middle = len(REQUEST) // 2
    pieces = itertools.chain(
        [REQUEST[:middle]], itertools.repeat(REQUEST[middle:] + REQUEST[:middle], 100)
    )
    content = Slow(clock, 0.0, ready=ready)
    conn = Watched(clock, pieces, 1.0)
    asyncio.run(Http1(content, LIMITS).serve(conn))
    assert conn.sent == ANSWER * 100
    assert content.asked == [1002.0 + number for number in range(100)]
    assert conn.given[1:] == [LIMITS.head_s] * 101


@pytest.mark.parametrize("ready", [True, False])
def test_patience_begins_when_the_answer_is_out(clock: Clock, *, ready: bool) -> None:
    """An application may take longer than any deadline of a connection."""
    conn = Watched(clock, iter([REQUEST, REQUEST]), 0.0)
    asyncio.run(Http1(Slow(clock, 1000.0, ready=ready), LIMITS).serve(conn))
    assert conn.given == [LIMITS.first_byte_s, LIMITS.keep_alive_s, LIMITS.keep_alive_s]


def test_the_time_of_a_send_begins_when_there_is_something_to_send(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    async def send(self: FakeConnection, *buffers: bytes) -> None:
        given.append(self.deadline - clock.now)

    monkeypatch.setattr(FakeConnection, "send", send)
    content = Slow(clock, 1000.0, ready=True)
    asyncio.run(Http1(content, LIMITS).serve(FakeConnection([REQUEST * 2])))
    assert given == [LIMITS.send_s] * 2


@pytest.mark.parametrize("ready", [True, False])
def test_who_pipelines_leaves_turns_to_the_others(clock: Clock, *, ready: bool) -> None:
    """Requests that take 0.3 ms each: three or four of them in a turn."""
    conn = FakeConnection([REQUEST * 100])
    asyncio.run(Http1(Slow(clock, 0.0003, ready=ready), LIMITS).serve(conn))
    assert conn.sent == ANSWER * 100
    assert 24 <= conn.yields <= 33


def test_requests_that_come_one_by_one_cost_no_turn(clock: Clock) -> None:
    conn = FakeConnection([REQUEST] * 100)
    asyncio.run(Http1(Slow(clock, 1.0, ready=True), LIMITS).serve(conn))
    assert conn.sent == ANSWER * 100
    assert conn.yields == 0
