"""How an exchange ends: one answer, and no reset that could destroy it."""

from __future__ import annotations

import asyncio

from fakes import SILENCE, FakeConnection, statuses

from fivefold.http1.connection import Http1
from fivefold.http1.exchange import Exchange
from fivefold.http1.limits import Limits
from fivefold.http1.request import Request
from fivefold.http1.response import Response


class Deaf:
    """Answers without reading the body."""

    def ready(self, request: Request, head: bytes, conn: object, now: float) -> bytes | None:
        return None

    async def respond(self, exchange: Exchange) -> None:
        await exchange.answer(Response(200, [], b"deaf"))


def talk(script: list[bytes | None], limits: Limits | None = None) -> FakeConnection:
    connection = FakeConnection(script)
    asyncio.run(Http1(Deaf(), limits or Limits()).serve(connection))
    return connection


SIZED = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_body_that_stalls_after_the_answer_gets_no_second_one() -> None:
    assert statuses(talk([SIZED + b"12345", SILENCE]).sent) == [200]


def test_a_body_that_grows_too_long_after_the_answer_gets_no_second_one() -> None:
    connection = talk([CHUNKED, b"5\r\n12345\r\n" * 3], Limits(body_bytes=10))
    assert statuses(connection.sent) == [200]
    assert connection.half_closed


def test_a_body_that_is_broken_after_the_answer_gets_no_second_one() -> None:
    assert statuses(talk([CHUNKED, b"nonsense\r\n"]).sent) == [200]


def test_what_comes_after_connection_close_is_read_away() -> None:
    close = SIZED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    connection = talk([close, b"12345", b"67890", b"and more"])
    assert statuses(connection.sent) == [200]
    assert connection.half_closed


def test_an_unread_body_is_skipped_and_the_next_request_served() -> None:
    next_request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert statuses(talk([SIZED + b"12345", b"67890" + next_request]).sent) == [200, 200]


def test_a_refused_head_request_has_no_body() -> None:
    sent = talk([b"HEAD / HTTP/1.1\r\n\r\n"]).sent
    assert statuses(sent) == [400]
    assert sent.endswith(b"\r\n\r\n")
    assert b"HTTP" not in sent.partition(b"\r\n\r\n")[2]
