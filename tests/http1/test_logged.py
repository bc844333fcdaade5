"""Exchanges for the log: what is recorded is what left, by each way that a response can go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fivefold.content.base import Content
from fivefold.errors import PeerGone, ProtocolError
from fivefold.http1.answer import Answer, Whole
from fivefold.http1.connection import Http1
from fivefold.http1.exchange import Exchange
from fivefold.http1.limits import Limits
from fivefold.http1.logged import LoggedRequest
from fivefold.http1.response import Response, ResponseHead, head_bytes
from support.scripted_connection import FakeConnection, serve

GET = b"GET / HTTP/1.1\r\nHost: t\r\n\r\n"


class Recorder:
    """The log of all connections: what each exchange left there."""

    def __init__(self) -> None:
        self.lines: list[tuple[bytes, int, int, bool]] = []

    def log_of(self, conn: object) -> Recorder:
        return self

    def log_whole(
        self, request: Any, head: bytes, answer: bytes, now: float, begun: float
    ) -> float:
        size = len(answer) - head_bytes(answer)
        self.lines.append((request.target, int(answer[9:12]), size, True))
        return now

    def record(
        self, asked: LoggedRequest, status: int, size: int, *, complete: bool = False
    ) -> float:
        target = asked.request.target if asked.request is not None else b""
        self.lines.append((target, status, size, complete))
        return asked.now


class Answering(Content):
    def __init__(self, respond: Callable[[Exchange], Awaitable[None]]) -> None:
        self._respond = respond

    async def respond(self, exchange: Exchange) -> None:
        await self._respond(exchange)


class Leaving(FakeConnection):
    """Its client leaves at the second send, with 3 bytes of that not taken."""

    sends = 0

    async def send(self, *buffers: bytes) -> None:
        self.sends += 1
        if self.sends > 1:
            self.unsent = 3
            raise PeerGone("reset")
        await super().send(*buffers)


async def at_once(exchange: Exchange) -> None:
    await exchange.answer(Response(404, [], b"12345"))


async def sized(exchange: Exchange) -> None:
    exchange.start(ResponseHead(200, [], 10))
    await exchange.write(b"12345", more=True)
    await exchange.write(b"67890", more=False)


async def chunked(exchange: Exchange) -> None:
    exchange.start(ResponseHead(200, []))
    await exchange.write(b"12345", more=True)
    await exchange.end(b"Digest: x\r\n", more=False)


async def informed(exchange: Exchange) -> None:
    await exchange.inform(103, b"Link: x\r\n")
    await sized(exchange)


async def one_message(exchange: Exchange) -> None:
    exchange.start(ResponseHead(201, []))
    out = exchange.as_one_message(b"12345")
    assert out is not None
    await exchange.conn.send(out)


async def short(exchange: Exchange) -> None:
    exchange.start(ResponseHead(200, [], 10))
    await exchange.write(b"12345", more=True)
    raise ZeroDivisionError


async def takes_over(exchange: Exchange) -> None:
    exchange.take_over(101)
    for data in (b"HTTP/1.1 101 Switching Protocols\r\n\r\nab", b"cde"):
        await exchange.conn.send(data)
        exchange.took(data)
    exchange.keep = False


CHUNK = len(b"5\r\n12345\r\n")
END = len(b"0\r\nDigest: x\r\n\r\n")


@pytest.mark.parametrize(
    ("respond", "status", "size", "complete"),
    [
        (at_once, 404, 5, True),
        (sized, 200, 10, True),
        (chunked, 200, CHUNK + END, True),
        (informed, 200, 10, True),
        (one_message, 201, 5, True),
        (short, 200, 5, False),
        (takes_over, 101, 5, True),
    ],
)
def test_status_and_bytes_are_those_that_were_sent(
    respond: Any, status: int, size: int, *, complete: bool
) -> None:
    log, conn = Recorder(), FakeConnection([GET])
    serve(Http1(Answering(respond), Limits(), log), conn)
    assert log.lines == [(b"/", status, size, complete)]
    body = conn.sent[head_bytes(conn.sent) :]
    assert len(body[head_bytes(body) :] if b"HTTP/1.1 103" in conn.sent else body) == size


@pytest.mark.parametrize(("respond", "size"), [(at_once, 0), (sized, 0), (chunked, 0)])
def test_head_requests_have_no_bytes(respond: Any, size: int) -> None:
    log = Recorder()
    serve(Http1(Answering(respond), Limits(), log), FakeConnection([GET.replace(b"GET", b"HEAD")]))
    assert [line[2] for line in log.lines] == [size]


def test_what_the_client_did_not_take_is_not_counted() -> None:
    log = Recorder()
    serve(Http1(Answering(sized), Limits(), log), Leaving([GET]))
    assert log.lines == [(b"/", 200, 7, False)]


def test_who_leaves_before_an_answer_is_499() -> None:
    async def leaves(exchange: Exchange) -> None:
        raise PeerGone("reset")

    log = Recorder()
    serve(Http1(Answering(leaves), Limits(), log), FakeConnection([GET]))
    serve(Http1(Answering(leaves), Limits(), log), FakeConnection([GET[:9]]))
    assert log.lines == [(b"/", 499, 0, False), (b"", 499, 0, False)]


@pytest.mark.parametrize(("error", "status"), [(ProtocolError(418, "tea"), 418), (KeyError(), 500)])
def test_a_refusal_is_one_line(error: Exception, status: int) -> None:
    async def refuses(exchange: Exchange) -> None:
        raise error

    log, conn = Recorder(), FakeConnection([GET])
    serve(Http1(Answering(refuses), Limits(), log), conn)
    assert log.lines == [(b"/", status, len(conn.sent) - head_bytes(conn.sent), True)]


def test_a_ready_answer_is_logged_by_its_bytes_soon_or_not() -> None:
    class Soon(FakeConnection):
        def send_soon(self, data: bytes) -> bool:
            self.sent += data
            return True

    class Ready(Content):
        def answer_at_once(self, *_: object) -> Answer | None:
            return Whole.made(ResponseHead(200, []), b"HTTP/1.1 200 OK\r\n\r\nready")

    log = Recorder()
    last = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    for kind in (Soon, FakeConnection):
        serve(Http1(Ready(), Limits(), log), kind([GET, last]))
    assert log.lines == [(b"/", 200, 5, True)] * 4


class Broken(Recorder):
    def log_of(self, conn: object) -> Recorder:
        raise RuntimeError("no log can be had")


def test_a_log_that_fails_for_a_connection_ends_it_and_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = FakeConnection([GET])
    serve(Http1(Content(), Limits(), Broken()), connection)
    (record,) = caplog.records
    assert "a connection failed" in record.getMessage()
    assert "no log can be had" in caplog.text
