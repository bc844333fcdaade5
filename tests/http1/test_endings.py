"""How an exchange ends: one answer, and no reset that could destroy it."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import types
import weakref
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from fivefold.content.base import Content
from fivefold.errors import LimitReached, ProtocolError
from fivefold.http1.answer import Answer
from fivefold.http1.connection import Http1
from fivefold.http1.exchange import Exchange
from fivefold.http1.limits import Limits
from fivefold.http1.request import Request
from fivefold.http1.response import Response, ResponseHead
from fivefold.http1.stream import HttpConnection
from support.scripted_connection import SILENCE, FakeConnection, statuses


class Deaf(Content):
    """Answers without reading the body."""

    async def respond(self, exchange: Exchange) -> None:
        await exchange.answer(Response(200, [], b"deaf"))


def talk(script: list[bytes | None], limits: Limits | None = None) -> FakeConnection:
    connection = FakeConnection(script)
    asyncio.run(Http1(Deaf(), limits or Limits()).serve(connection))
    return connection


SIZED = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
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


class Unprintable(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt

    __repr__ = __str__


class Timeout(BaseException):
    """As gevent's, eventlet's and func_timeout's are."""


FOREIGN: list[BaseException] = [
    ValueError("a bug"),
    KeyboardInterrupt(),
    SystemExit(3),
    asyncio.CancelledError(),
    BaseExceptionGroup("several", [SystemExit(1)]),
    Timeout(),
    RecursionError(),
    MemoryError(),
    OSError(errno.EIO, "the disk"),
    Unprintable(),
]
"""What content may raise that HTTP does not expect."""


class Failing(Content):
    """Raises what it is given, at once or after the beginning of a response."""

    def __init__(self, error: BaseException, where: str) -> None:
        self._error = error
        self._where = where

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        if self._where == "at once":
            raise self._error
        return None

    async def respond(self, exchange: Exchange) -> None:
        if self._where == "begun":
            exchange.start(ResponseHead(200, []))
            await exchange.write(b"begun", more=True)
        raise self._error


def fail(error: BaseException, where: str, request: bytes = GET) -> FakeConnection:
    connection = FakeConnection([request])
    run(Http1(Failing(error, where), Limits()).serve(connection))
    return connection


def run(task: Coroutine[Any, Any, None]) -> None:
    """Without asyncio, which has a mind of its own about exceptions."""
    with pytest.raises(StopIteration):
        task.send(None)


@pytest.mark.parametrize("where", ["at once", "respond"])
@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)
def test_whatever_content_raises_is_answered_and_logged_once(
    error: BaseException, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = fail(error, where)
    assert statuses(connection.sent) == [500]
    assert connection.closed
    assert [record.getMessage() for record in caplog.records] == ["/a could not be answered"]
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[1] is error


@pytest.mark.parametrize("error", FOREIGN, ids=lambda error: type(error).__name__)
def test_what_content_raises_in_a_response_breaks_it_off(error: BaseException) -> None:
    connection = fail(error, "begun")
    assert connection.sent.endswith(b"\r\n5\r\nbegun\r\n")
    assert connection.closed
    assert not connection.reset


def test_a_broken_response_that_has_no_length_ends_in_a_reset() -> None:
    connection = fail(ValueError(), "begun", b"GET /a HTTP/1.0\r\n\r\n")
    assert connection.sent.endswith(b"\r\n\r\nbegun")
    assert connection.reset


class Held:
    """Something large that a frame of an application has."""


class Holding(Content):
    """Fails, with something in its frame."""

    def __init__(self, error: type[Exception], where: str) -> None:
        self._error = error
        self._where = where
        self.held: list[weakref.ref[Held]] = []

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        if self._where == "at once":
            self._fail()
        return None

    async def respond(self, exchange: Exchange) -> None:
        self._fail()

    def _fail(self) -> None:
        held = Held()
        self.held.append(weakref.ref(held))
        raise self._error(400, "no")


@pytest.mark.parametrize("where", ["at once", "respond"])
@pytest.mark.parametrize("error", [ValueError, ProtocolError])
def test_nothing_of_a_failure_is_kept_while_its_client_is_answered(
    error: type[Exception], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client may take `send_s` for that, and `linger_s` more."""
    # pytest keeps the records of logging, and with them the errors.
    monkeypatch.setattr(logging.getLogger("fivefold"), "propagate", False)
    content = Holding(error, where)
    found: list[Held | None] = []

    class Slow(FakeConnection):
        async def send(self, *buffers: bytes) -> None:
            found.append(content.held[0]())
            await super().send(*buffers)

        async def recv(self) -> bytes:
            data = await super().recv()
            if not data:  # it lingers
                found.append(content.held[0]())
            return data

    gc.disable()  # by its references alone
    try:
        run(Http1(content, Limits()).serve(Slow([GET])))
    finally:
        gc.enable()
    assert found == [None, None]


Disguised = type("Disguised", (Exception,), {"__class__": ProtocolError})
"""As a proxy of an object does, it says that it is of another class."""


def test_an_error_that_lies_about_its_class_is_answered_as_any_other() -> None:
    assert statuses(fail(Disguised(), "respond").sent) == [500]


@pytest.mark.parametrize("raising", [ValueError, KeyboardInterrupt])
def test_a_log_that_fails_harms_nobody(
    raising: type[BaseException], capfd: pytest.CaptureFixture[str]
) -> None:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise raising("in a handler")

    handler = Handler()
    logging.getLogger("fivefold").addHandler(handler)
    try:
        connection = fail(ValueError("the cause"), "respond")
    finally:
        logging.getLogger("fivefold").removeHandler(handler)
    assert statuses(connection.sent) == [500]
    said = capfd.readouterr().err
    assert "/a could not be answered" in said
    assert "ValueError: the cause" in said
    assert "in a handler" in said


def test_a_connection_that_cannot_be_closed_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Stuck(FakeConnection):
        async def close(self) -> None:
            raise OSError(errno.EIO, "in close")

    run(Http1(Deaf(), Limits()).serve(Stuck([GET])))
    assert [record.getMessage() for record in caplog.records] == [
        "a connection could not be closed"
    ]


def test_a_model_that_closes_ends_the_coroutine_and_its_connection() -> None:
    class Waiting(FakeConnection):
        @types.coroutine
        def recv(self) -> Generator[None, None, bytes]:
            yield
            return b""

        @types.coroutine
        def _settle(self) -> Generator[None, None, None]:
            yield

        async def close(self) -> None:
            self.closed = True
            await self._settle()  # nobody will resume it

    connection = Waiting([])
    task = Http1(Deaf(), Limits()).serve(connection)
    task.send(None)
    task.close()
    assert connection.closed


class Stopping(Content):
    """The server is told to stop in the middle of the first response, whose head has left."""

    async def respond(self, exchange: Exchange) -> None:
        exchange.start(ResponseHead(200, []))
        await exchange.write(b"begun", more=True)
        assert isinstance(exchange.conn, FakeConnection)
        exchange.conn.finish()
        await exchange.write(b"ended", more=False)


def test_a_response_that_promised_to_keep_the_connection_keeps_it_for_one_more() -> None:
    connection = FakeConnection([GET, GET, GET])
    run(Http1(Stopping(), Limits()).serve(connection))
    first, second = connection.sent.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert b"Connection: close" not in first
    assert b"Connection: close" in second
    assert connection.half_closed
    assert connection.closed


def test_what_arrived_by_the_end_of_the_last_call_is_answered() -> None:
    connection = FakeConnection([GET, SILENCE, GET])
    content = Deaf()
    connection.heard()
    connection.finish()
    run(Http1(content, Limits()).serve(connection))
    assert statuses(connection.sent) == [200]
    connection = FakeConnection([SILENCE, GET])
    connection.finish()
    run(Http1(content, Limits()).serve(connection))
    assert statuses(connection.sent) == [200]


def test_a_limit_of_the_system_is_503_and_one_line(caplog: pytest.LogCaptureFixture) -> None:
    connection = fail(LimitReached("no thread could be started"), "respond")
    assert statuses(connection.sent) == [503]
    assert [(record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("/a is refused: no thread could be started", None)
    ]
