"""Heads larger and streams more than the server allows: each has its answer, as far as that goes,
and the connection lives (RFC 9113, sections 5.1.2 and 10.5.1)."""

from __future__ import annotations

from typing import Any

import pytest

from support import TESTS
from support.every_pair import chosen_pairs
from support.raw_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    HEADERS,
    REFUSED_STREAM,
    RST_STREAM,
    RawHttp2,
    asked,
    block,
    frame,
    request,
)
from support.servers.folder import Serve

Pair = dict[str, Any]

some = pytest.mark.parametrize(
    "pair", chosen_pairs("async-epoll", "async-uring", "thread-blocking", "process-epoll")
)

APPLICATION = {"target": "applications.asgi.counted:app", "chdir": str(TESTS), "h2c": True}

FRAME_BYTES = 16_384

STREAMS = 5


def head(stream: int, *more: tuple[str, str]) -> bytes:
    """A request without a body, in as many frames as it takes."""
    data = block([*asked(), *more])
    parts = [data[at : at + FRAME_BYTES] for at in range(0, len(data), FRAME_BYTES)]
    kinds = [(HEADERS, END_STREAM), *[(CONTINUATION, 0)] * (len(parts) - 1)]
    kinds[-1] = kinds[-1][0], kinds[-1][1] | END_HEADERS
    return b"".join(
        frame(kind, flags, stream, part) for (kind, flags), part in zip(kinds, parts, strict=True)
    )


LARGE = {
    "one long field": [("x-long", "x" * 60_000)],
    "many long fields": [(f"x-{number}", "x" * 5500) for number in range(30)],
    "many fields": [(f"x-{number}", "") for number in range(300)],
}


@some
def test_a_head_that_is_too_large_is_answered(pair: Pair, serve: Serve) -> None:
    with serve(**APPLICATION, **pair) as address, RawHttp2(address) as client:
        client.begin()
        for stream, fields in zip((1, 3, 5), LARGE.values(), strict=True):
            client.send(head(stream, *fields))
            assert client.status(stream) == 431
            assert b"head" in client.body(stream)
        client.send(request(7))
        assert client.status(7) == 200


def test_a_head_without_end_ends_the_connection_with_a_word(serve: Serve) -> None:
    """And the last stream that was begun, so that its client knows what to ask for again."""
    with serve(**APPLICATION) as address:
        with RawHttp2(address) as client:
            client.begin()
            client.send(request(1))
            assert client.status(1) == 200
            client.send(head(3, *[(f"x-{number}", "x" * 10_000) for number in range(40)]))
            goaway = client.end()
            assert goaway is not None
            assert goaway.code == ENHANCE_YOUR_CALM
            assert int.from_bytes(goaway.payload[:4]) == 1
        with RawHttp2(address) as client:
            client.begin()
            client.send(request(1))
            assert client.status(1) == 200


@some
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_streams_beyond_the_greatest_number_are_refused(
    pair: Pair, serve: Serve, *, at_once: bool
) -> None:
    with (
        serve(**APPLICATION, http2_streams=STREAMS, **pair) as address,
        RawHttp2(address) as client,
    ):
        client.begin()
        numbers = range(1, 2 * STREAMS + 6, 2)
        posts = [request(number, "/echo", method="POST", ends=False) for number in numbers]
        if at_once:
            client.send(b"".join(posts))
        else:
            for post in posts:
                client.send(post)
        served, refused = numbers[:STREAMS], numbers[STREAMS:]
        for number in refused:
            assert client.until(RST_STREAM, number).code == REFUSED_STREAM
        client.send(b"".join(frame(DATA, END_STREAM, number, b"%d" % number) for number in served))
        for number in served:
            assert client.status(number) == 200
            assert client.body(number) == b"%d" % number
        again = refused[-1] + 2
        client.send(request(again))
        assert client.status(again) == 200
