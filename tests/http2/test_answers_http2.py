"""What an answer has beside its body, over HTTP/2: interim responses, lengths that do not hold,
failures half-way, names and times."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fivefold.errors import PeerGone
from fivefold.http1.answer import HeadAndFile
from fivefold.http1.limits import Limits
from fivefold.http1.request import Request
from fivefold.http1.response import DateField, FilePart, Response, ResponseHead
from fivefold.http2.exchange import StreamExchange
from fivefold.http2.stream import StreamConnection
from support import TESTS
from support.every_pair import chosen_pairs
from support.http2_client import Http2Client
from support.raw_http2 import (
    DATA,
    END_STREAM,
    HEADERS,
    PROTOCOL_ERROR,
    RST_STREAM,
    RawHttp2,
    frame,
)
from support.raw_http2 import (
    request as asking,
)
from support.scripted_connection import FakeConnection
from support.servers.folder import Serve

Pair = dict[str, Any]

some = pytest.mark.parametrize(
    "pair", chosen_pairs("async-epoll", "async-uring", "thread-blocking", "process-epoll")
)

APPLICATION = {"target": "applications.asgi.answers:app", "chdir": str(TESTS), "h2c": True}

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@some
def test_what_comes_before_an_answer(pair: Pair, serve: Serve) -> None:
    """100 for a body that is wanted (RFC 9110, section 10.1.1), and only for that; 103."""
    expecting = [("expect", "100-continue")]
    with serve(**APPLICATION, **pair) as address, Http2Client(address) as client:
        number = client.begin("/read", method="POST", fields=expecting, end=False)
        stream = client.streams[number]
        client.until(lambda: bool(stream.heads))
        assert stream.heads == [{":status": "100"}]
        client.put_part(number, b"four", end=True)
        assert client.whole(number).body == b"4"
        number = client.begin("/unread", method="POST", fields=expecting, end=False)
        assert client.whole(number).body == b"no need"
        assert [head[":status"] for head in client.streams[number].heads] == ["200"]
        number = client.begin("/hints")
        assert client.whole(number).body == b"hinted"
        *early, _ = client.streams[number].heads
        links = [f"</{name}.css>; rel=preload" for name in "ab"]
        assert early == [{":status": "103", "link": link} for link in links]


@some
def test_an_answer_that_breaks_off_resets_its_stream_and_no_other(pair: Pair, serve: Serve) -> None:
    with serve(**APPLICATION, **pair) as address, Http2Client(address) as client:
        for path in ("/raises", "/short"):
            number = client.begin(path)
            with pytest.raises(EOFError):
                client.whole(number)
            stream = client.streams[number]
            assert (bytes(stream.body), stream.reset) == (b"part", 2)
            assert client.ask("/long").body == b"part"
        answer = client.ask("/forbidden")
        assert (answer.status, answer.fields["x-mixed"]) == (200, "Case")
        assert not answer.fields.keys() & {"connection", "keep-alive"}


@some
def test_a_body_of_another_length_ends_its_request(pair: Pair, serve: Serve) -> None:
    """RFC 9113, section 8.1.1."""
    with serve(**APPLICATION, **pair) as address, RawHttp2(address) as client:
        client.begin()
        said = ("content-length", "4")
        for stream, body in ((1, b"lon"), (3, b"longer")):
            client.send(asking(stream, "/read", said, method="POST", ends=False))
            client.send(frame(DATA, END_STREAM, stream, body))
            assert client.until(RST_STREAM, stream).code == PROTOCOL_ERROR
        client.send(asking(5, "/read", said, method="POST", ends=False))
        client.send(frame(DATA, END_STREAM, 5, b"four"))
        assert client.status(5) == 200
        assert not [found for found in client.passed if found.kind == HEADERS]


@some
def test_names_and_times(pair: Pair, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"here")
    settings = {**APPLICATION, "mount": (f"/files={tmp_path}",), "request_id": True}
    with serve(**settings, server_timing=True, **pair) as address, Http2Client(address) as client:
        for path in ("/named", "/files/file", "/files/none"):
            given = client.ask(path, fields=[("x-request-id", "given")])
            assert given.fields["x-request-id"] == "given"
            traced = client.ask(path, fields=[("traceparent", PARENT)])
            assert traced.fields["x-request-id"] == TRACE
            new = [client.ask(path).fields["x-request-id"] for _ in range(3)]
            assert len(set(new)) == 3
            assert "app;dur=" in traced.fields["server-timing"]
        numbers = [
            client.begin("/named", fields=[("x-request-id", f"side-{n}")]) for n in range(10)
        ]
        answers = [client.whole(number) for number in numbers]
        assert [answer.body.decode() for answer in answers] == [f"side-{n}" for n in range(10)]


class EndedStream(StreamConnection):
    """One that its client has reset before the head of its response."""

    def respond(self, fields: Iterable[tuple[bytes, bytes]], status: int) -> None:
        raise PeerGone("the stream is over")


def test_a_file_is_given_back_when_its_stream_has_ended() -> None:
    request = Request()
    request.method, request.keep_alive, request.minor = "GET", True, 1
    head = ResponseHead(200, [], 10)

    def begun(part: FilePart, way: str) -> Coroutine[Any, Any, None]:
        stream = EndedStream(SimpleNamespace(conn=FakeConnection([])), 1)
        exchange = StreamExchange(stream, request, b"", None, Limits(), DateField())
        if way == "answer":
            return exchange.answer(Response(200, [], part))
        if way == "pass_answer":
            return exchange.pass_answer(HeadAndFile(head, part, b""))
        exchange.start(head)
        return exchange.send_file(part)

    for way in ("answer", "pass_answer", "send_file"):
        given_back: list[str] = []
        part = FilePart(None, 0, 10, lambda: given_back.append(way))  # noqa: B023
        with pytest.raises(PeerGone):
            begun(part, way).send(None)
        assert given_back == [way]
