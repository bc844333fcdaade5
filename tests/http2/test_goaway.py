"""A server that stops tells its clients of HTTP/2 so before it stops to listen (RFC 9113, section
6.8): a GOAWAY with the greatest number, a PING, then a GOAWAY with the last that was served."""

from __future__ import annotations

from typing import Any

import pytest

from applications.asgi import counted
from applications.notes_and_gates import Receive, Scope, Send, note
from support.every_pair import chosen_pairs, pairs
from support.raw_http2 import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RawHttp2,
    frame,
    request,
)
from support.servers.embedded import hosting

Pair = dict[str, Any]

GREATEST = 2**31 - 1

few = pytest.mark.parametrize(
    "pair", chosen_pairs("async-uring", "thread-blocking", "process-epoll")
)
"""One pair of each serving model."""


def last_of(payload: bytes) -> int:
    return int.from_bytes(payload[:4])


def answered(client: RawHttp2, stream: int) -> bool:
    return client.status(stream) == 200 and client.body(stream) == b"ok"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers in parts, once all has come."""
    if scope["type"] != "http":
        return
    note("asked")
    while (await receive()).get("more_body"):
        pass
    try:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"o", "more_body": True})
        await send({"type": "http.response.body", "body": b"k"})
    except OSError:
        note("the client has left")
        raise
    note("answered")


@pairs()
def test_what_was_sent_before_the_client_knew_is_answered_and_nothing_is_waited_for(
    pair: Pair,
) -> None:
    with hosting(counted.app, h2c=True, **pair) as site, RawHttp2(site.address) as client:
        client.begin()
        client.send(request(1))
        assert answered(client, 1)
        site.terminate()
        assert last_of(client.until(GOAWAY).payload) == GREATEST
        known = client.until(PING)
        assert client.lives()  # whatever else it says does not mean that it knows
        client.send(request(3) + frame(PING, ACK, 0, known.payload))
        assert answered(client, 3)
        last = client.until(GOAWAY)  # it may be ahead of the data that it promises
        assert (last_of(last.payload), last.code) == (3, 0)
        assert client.has_ended()


@few
def test_a_client_that_does_not_answer_has_a_moment(pair: Pair) -> None:
    """Two seconds."""
    with hosting(counted.app, h2c=True, **pair) as site, RawHttp2(site.address) as client:
        client.begin()
        site.terminate()
        assert last_of(client.until(GOAWAY).payload) == GREATEST
        client.send(request(1))
        assert answered(client, 1)
        last = client.until(GOAWAY)  # it may be ahead of the data that it promises
        assert (last_of(last.payload), last.code) == (1, 0)
        assert client.has_ended()


@few
def test_what_is_asked_once_the_client_knows_is_not_answered(pair: Pair) -> None:
    """However long what was asked before takes; and that is answered."""
    with hosting(app, h2c=True, **pair) as site, RawHttp2(site.address) as client:
        client.begin()
        client.send(request(1, method="POST", ends=False))
        assert site.notes.next() == "asked"
        site.terminate()
        assert last_of(client.until(GOAWAY).payload) == GREATEST
        client.send(frame(PING, ACK, 0, client.until(PING).payload))
        last = client.until(GOAWAY)
        assert (last_of(last.payload), last.code) == (1, 0)
        client.send(request(3) + frame(DATA, END_STREAM, 1))
        assert answered(client, 1)
        assert site.notes.next() == "answered"
        left = client.end()
        assert left is None or last_of(left.payload) == 1
        assert not any(found.kind == HEADERS for found in client.passed)


@pytest.mark.parametrize("pair", chosen_pairs("async-uring", "thread-blocking"))
def test_a_client_that_keeps_asking_and_does_not_answer_has_a_moment(pair: Pair) -> None:
    """Two seconds, and what it began in these."""
    with hosting(counted.app, h2c=True, **pair) as site, RawHttp2(site.address) as client:
        client.begin()
        site.terminate()
        assert last_of(client.until(GOAWAY).payload) == GREATEST
        stream, found = 1, None
        while found is None or found.kind != GOAWAY:
            client.send(request(stream))
            found = client.next_where(lambda f: f.kind == GOAWAY or f.ends)
            stream += 2
        assert last_of(found.payload) < stream
        assert client.has_ended()


@few
def test_who_leaves_off_has_what_it_has_asked_for_and_its_application_hears_so(pair: Pair) -> None:
    """A GOAWAY of the client."""
    with hosting(app, h2c=True, **pair) as site, RawHttp2(site.address) as client:
        client.begin()
        client.send(frame(GOAWAY, 0, 0, bytes(8)) + request(1))
        assert answered(client, 1)
        assert [site.notes.next(), site.notes.next()] == ["asked", "answered"]
        assert client.has_ended()
