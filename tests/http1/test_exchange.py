"""Every case whole, byte by byte, and with another request behind it."""

from __future__ import annotations

import asyncio

import pytest

from fivefold.http1.connection import Http1
from fivefold.http1.exchange import Exchange
from fivefold.http1.limits import Limits
from fivefold.http1.request import examined
from fivefold.http1.response import DateField, ResponseHead
from support.scripted_connection import SILENCE, Echo, FakeConnection, serve, statuses, talk

H = b"Host: t\r\n"
NEXT = b"GET /next HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n"

SMALL = Limits(request_line_bytes=100, head_bytes=400, header_count=5, body_bytes=20)

ANSWERED = {
    "get": (b"GET / HTTP/1.1\r\n" + H + b"\r\n", [200]),
    "head": (b"HEAD / HTTP/1.1\r\n" + H + b"\r\n", [200]),
    "missing keeps the connection": (b"GET /missing HTTP/1.1\r\n" + H + b"\r\n", [404]),
    "empty line before": (b"\r\n\r\nGET / HTTP/1.1\r\n" + H + b"\r\n", [200]),
    "absolute form": (b"GET http://t/x?y HTTP/1.1\r\n" + H + b"\r\n", [200]),
    "options *": (b"OPTIONS * HTTP/1.1\r\n" + H + b"\r\n", [200]),
    "empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", [200]),
    "escaped host": (b"GET / HTTP/1.1\r\nHost: a%C3%a4.example:80\r\n\r\n", [200]),
    "ipv6 host": (b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", [200]),
    "sized body": (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n\r\nhello", [200]),
    "body that looks like a request": (
        b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        [200],
    ),
    "chunked body": (
        b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n"
        b"5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
        [200],
    ),
    "upgrade ignored": (
        b"GET / HTTP/1.1\r\n" + H + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        [200],
    ),
    "upgrade ignored, sized body": (
        b"POST / HTTP/1.1\r\n" + H + b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
        b"Content-Length: 5\r\n\r\nhello",
        [200],
    ),
    "upgrade ignored, chunked body": (
        b"POST / HTTP/1.1\r\n" + H + b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        [200],
    ),
    "connect with a body": (
        b"CONNECT t:80 HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n\r\nhello",
        [200],
    ),
    "http/1.2": (b"GET / HTTP/1.2\r\n" + H + b"\r\n", [200]),
    "http/1.9 with a body": (
        b"POST / HTTP/1.9\r\n" + H + b"Content-Length: 5\r\n\r\nhello",
        [200],
    ),
    "ipv4 in ipv6 host": (b"GET / HTTP/1.1\r\nHost: [::ffff:1.2.3.4]\r\n\r\n", [200]),
    "http/1.0 kept": (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", [200]),
}

REFUSED = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\n" + H + H + b"\r\n", 400),
    "bad host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "bad target": (b"GET x HTTP/1.1\r\n" + H + b"\r\n", 400),
    "fragment": (b"GET /#x HTTP/1.1\r\n" + H + b"\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\n" + H + b"\r\n", 400),
    "space before colon": (b"GET / HTTP/1.1\r\n" + H + b"X : y\r\n\r\n", 400),
    "folded field": (b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n b\r\n\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\n" + H + b"\r\n", 400),
    "bare LF between fields": (b"GET / HTTP/1.1\r\nX: y\n" + H + b"\r\n", 400),
    "NUL in a field": (b"GET / HTTP/1.1\r\n" + H + b"X: \0\r\n\r\n", 400),
    "length and chunked": (
        b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    "two lengths": (
        b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
        400,
    ),
    "signed length": (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: +3\r\n\r\n", 400),
    "list of lengths": (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 3, 3\r\n\r\n", 400),
    "chunked in http/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "chunked twice": (
        b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    "tls on a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "length missing in http/1.0": (b"POST / HTTP/1.0\r\n\r\n", 411),
    "body too large": (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 21\r\n\r\n", 413),
    "chunked body too large": (
        b"POST / HTTP/1.1\r\n"
        + H
        + b"Transfer-Encoding: chunked\r\n\r\n16\r\n"
        + b"x" * 22
        + b"\r\n0\r\n\r\n",
        413,
    ),
    "long target": (b"GET /" + b"x" * 100 + b" HTTP/1.1\r\n" + H + b"\r\n", 414),
    "long target without end": (b"GET /" + b"x" * 200, 414),
    "unknown expectation": (b"GET / HTTP/1.1\r\n" + H + b"Expect: tea\r\n\r\n", 417),
    "many fields": (b"GET / HTTP/1.1\r\n" + H + b"A: b\r\n" * 5 + b"\r\n", 431),
    "large head": (b"GET / HTTP/1.1\r\n" + H + b"A: " + b"b" * 400 + b"\r\n\r\n", 431),
    "unknown method": (b"BREW / HTTP/1.1\r\n" + H + b"\r\n", 501),
    "unknown coding": (
        b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        501,
    ),
    "last coding not chunked": (
        b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: gzip\r\n\r\n",
        400,
    ),
    "http/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "host in brackets is no address": (b"GET / HTTP/1.1\r\nHost: [:::]\r\n\r\n", 400),
    "host in brackets is short": (b"GET / HTTP/1.1\r\nHost: [1:2:3]\r\n\r\n", 400),
    "host in brackets is doubled": (b"GET / HTTP/1.1\r\nHost: [4712::abcd::]\r\n\r\n", 400),
    "authority in brackets": (b"GET http://[:::]/ HTTP/1.1\r\n" + H + b"\r\n", 400),
    "host with half an escape": (b"GET / HTTP/1.1\r\nHost: a%zz\r\n\r\n", 400),
    "host with an escape cut": (b"GET / HTTP/1.1\r\nHost: a%4\r\n\r\n", 400),
    "port without a host": (b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400),
    "authority without a host": (b"GET http://:80/ HTTP/1.1\r\n" + H + b"\r\n", 400),
    "authority with half an escape": (b"GET http://a%/ HTTP/1.1\r\n" + H + b"\r\n", 400),
    "ipv4 in brackets": (b"GET / HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n", 400),
    "chunk size of words": (
        b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
        400,
    ),
    "chunk longer than its size": (
        b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n",
        400,
    ),
}


def bytewise(data: bytes) -> list[bytes]:
    return [bytes((byte,)) for byte in data]


@pytest.mark.parametrize("case", ANSWERED)
def test_answered(case: str) -> None:
    request, expected = ANSWERED[case]
    for script in (
        [request + NEXT],
        [request, NEXT],
        bytewise(request + NEXT),
        [request + NEXT[:9], NEXT[9:]],
    ):
        assert statuses(talk(script).sent) == [*expected, 200], script


@pytest.mark.parametrize("case", ANSWERED)
def test_answered_wherever_it_is_cut(case: str) -> None:
    request, expected = ANSWERED[case]
    for place in range(1, len(request)):
        sent = talk([request[:place], request[place:] + NEXT]).sent
        assert statuses(sent) == [*expected, 200], request[:place]


@pytest.mark.parametrize("case", REFUSED)
def test_refused_and_closed(case: str) -> None:
    request, status = REFUSED[case]
    for script in ([request + NEXT], [request, NEXT], bytewise(request)):
        connection = talk(script, SMALL)
        assert statuses(connection.sent) == [status], script
        assert b"Connection: close\r\n" in connection.sent
        assert connection.half_closed


def test_a_good_request_before_a_bad_one_is_answered() -> None:
    good, bad = ANSWERED["get"][0], REFUSED["no host"][0]
    assert statuses(talk([good + bad]).sent) == [200, 400]


def test_the_same_request_again_takes_the_short_way_to_the_same_answer() -> None:
    request = ANSWERED["get"][0]
    browser = request[:-2] + b"Cookie: " + b"x" * 300 + b"\r\n\r\n"
    sent = talk([request, request, browser, browser, request + request]).sent
    assert statuses(sent) == [200] * 6


def test_two_heads_in_one_receive_of_which_the_second_has_a_body() -> None:
    """Both end with an empty line, so the receive looks like a single head."""
    post = b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 2\r\n\r\n"
    sent = talk([ANSWERED["get"][0] + post, b"xx" + NEXT]).sent
    assert statuses(sent) == [200, 200, 200]


class TestDeadlines:
    def test_a_connection_that_never_speaks_is_closed_in_silence(self) -> None:
        assert talk([SILENCE]).sent == b""

    def test_idle_after_an_answer_is_closed_in_silence(self) -> None:
        assert statuses(talk([ANSWERED["get"][0], SILENCE]).sent) == [200]

    def test_half_a_head(self) -> None:
        assert statuses(talk([b"GET / HT", SILENCE, SILENCE]).sent) == [408]

    def test_half_a_body(self) -> None:
        script = [b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n\r\nhe", SILENCE, SILENCE]
        assert statuses(talk(script).sent) == [408]


class TestExpectContinue:
    HEAD = b"POST / HTTP/1.1\r\n" + H + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"

    def test_the_client_is_asked_for_the_body(self) -> None:
        assert statuses(talk([self.HEAD, b"hello" + NEXT]).sent) == [100, 200, 200]

    def test_not_if_the_body_is_here_already(self) -> None:
        assert statuses(talk([self.HEAD + b"hello" + NEXT]).sent) == [200, 200]

    def test_not_if_the_answer_is_a_refusal_anyway(self) -> None:
        head = self.HEAD.replace(b"/ ", b"/missing ")
        connection = talk([head, b"hello"])
        assert statuses(connection.sent) == [404]
        assert b"Connection: close\r\n" in connection.sent

    def test_not_in_http_1_0(self) -> None:
        head = self.HEAD.replace(b"HTTP/1.1", b"HTTP/1.0")
        assert statuses(talk([head, b"hello"]).sent) == [200]


def test_head_has_the_length_but_no_body() -> None:
    sent = talk([ANSWERED["head"][0]]).sent
    assert sent.endswith(b"Content-Length: 6\r\n\r\n")


def test_http_1_0_closes_unless_asked() -> None:
    connection = talk([b"GET / HTTP/1.0\r\n\r\n", NEXT])
    assert statuses(connection.sent) == [200]
    assert b"Connection: close\r\n" in connection.sent
    assert b"Connection: keep-alive\r\n" in talk([ANSWERED["http/1.0 kept"][0]]).sent


def test_the_client_leaves_in_the_middle() -> None:
    for cut in (b"GET / HT", b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n\r\nhe"):
        assert talk([cut]).sent == b""


def test_an_error_of_ours_closes_one_connection_and_shows_no_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(FakeConnection):
        async def send(self, *buffers: bytes) -> None:
            raise ZeroDivisionError

    connection = Broken([ANSWERED["get"][0]])
    serve(Http1(Echo(), Limits()), connection)
    assert connection.sent == b""
    assert "ZeroDivisionError" in caplog.text


def test_a_response_that_is_continued_keeps_what_came_behind_the_request() -> None:
    """Content that has begun before there was an exchange knows nothing of the next request."""
    head = ANSWERED["get"][0]
    conn = FakeConnection([])

    def exchange() -> Exchange:
        return Exchange(conn, examined(head), head, None, Limits(), DateField())

    async def answered() -> Exchange:
        begun, goes_on = exchange(), exchange()
        goes_on.beyond = NEXT
        begun.start(ResponseHead(200, []))
        await begun.write(b"first", more=True)
        goes_on.adopt(begun)
        await goes_on.write(b"second", more=False)
        return goes_on

    over = asyncio.run(answered())
    assert over.beyond == NEXT
    assert over.finished
    assert over.keep
    assert conn.sent.endswith(b"\r\n5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n")
