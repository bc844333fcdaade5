"""A client that takes nothing at the moment is still heard: the reset of a stream, and a body that
it wants to be rid of before it reads on.

Not under a blocking engine: a send that waits is the call itself there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from applications.notes_and_gates import Receive, Scope, Send, note
from support.every_pair import chosen_pairs
from support.raw_http2 import (
    DATA,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    RawHttp2,
    frame,
    has_no_room,
    request,
    reset,
    window_update,
)
from support.servers.deployed import until
from support.servers.embedded import Site, hosting

Pair = dict[str, Any]

some = pytest.mark.parametrize(
    "pair", chosen_pairs("async-epoll", "async-uring", "async-posix", "thread-epoll")
)

PART = bytes(16_384)

PARTS = 12
"""Of a body: less than its stream's window."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return
    if scope["path"] == "/taken":
        size = 0
        while (message := await receive()).get("more_body"):
            size += len(message["body"])
        note(f"took {size + len(message['body'])}")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while scope["path"] == "/endless":
            await send({"type": "http.response.body", "body": PART, "more_body": True})
    except OSError:
        note("given up")
        raise
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def stalled(pair: Pair) -> Iterator[tuple[Site, RawHttp2]]:
    """A client that has room for no more, with stream 1 in the middle of an endless response."""
    with (
        hosting(app, h2c=True, send_s=120.0, **pair) as site,
        RawHttp2(site.address, receive_buffer=4096) as client,
    ):
        client.begin((INITIAL_WINDOW_SIZE, 2**30))
        client.send(window_update(0, 2**30) + request(1, "/endless"))
        client.until(HEADERS, 1)
        until(lambda: has_no_room(site.address, client.sock), "the client's buffers are full")
        yield site, client


@some
def test_a_reset_is_heard(pair: Pair) -> None:
    with stalled(pair) as (site, client):
        client.send(reset(1))
        assert site.notes.next() == "given up"


@some
def test_a_body_is_taken(pair: Pair) -> None:
    """Else a client that sends all before it reads would wait for ever."""
    with stalled(pair) as (site, client):
        client.send(request(3, "/taken", method="POST", ends=False))
        client.send(frame(DATA, 0, 3, PART) * (PARTS - 1) + frame(DATA, END_STREAM, 3, PART))
        assert site.notes.next() == f"took {PARTS * len(PART)}"
