"""Bodies of requests: those that come with their head, those that nobody reads, and their windows.

Each is what a client that knows nothing of ours may do (`support.raw_http2`).
"""

from __future__ import annotations

from support import TESTS
from support.every_pair import pairs
from support.raw_http2 import (
    DATA,
    END_STREAM,
    NO_ERROR,
    RST_STREAM,
    RawHttp2,
    frame,
    request,
)
from support.servers.folder import Serve

APPLICATION = {"target": "applications.asgi.counted:app", "chdir": str(TESTS), "h2c": True}

PART = bytes(16_384)


@pairs()
def test_a_body_may_come_with_its_head(pair: dict[str, str], serve: Serve) -> None:
    """In one packet, before anybody could begin to answer."""
    with serve(**pair, **APPLICATION) as address, RawHttp2(address) as client:
        client.begin()
        posts = [request(n, "/echo", method="POST", ends=False) for n in (1, 3)]
        bodies = [frame(DATA, END_STREAM, n, b"body of %d" % n) for n in (1, 3)]
        client.send(b"".join((*posts, *bodies)))
        for stream in (1, 3):
            assert client.status(stream) == 200
            assert client.body(stream) == b"body of %d" % stream


def test_what_nobody_reads_is_answered_and_then_reset(serve: Serve) -> None:
    """RFC 9113, section 8.1: the whole response first, then RST_STREAM with NO_ERROR."""
    with serve(**APPLICATION) as address, RawHttp2(address) as client:
        client.begin()
        client.send(request(1, "/", method="POST", ends=False) + frame(DATA, 0, 1, PART))
        assert client.status(1) == 200
        assert client.body(1) == b"ok"
        assert client.until(RST_STREAM, 1).code == NO_ERROR


def test_a_refused_request_has_its_answer(serve: Serve) -> None:
    with serve(**APPLICATION) as address, RawHttp2(address) as client:
        client.begin()
        long = ("content-length", "200000000")
        client.send(request(1, "/", long, method="POST", ends=False))
        assert client.status(1) == 413
        assert client.body(1)
        assert client.until(RST_STREAM, 1).code == NO_ERROR
        assert client.lives()


def test_windows_of_bodies_that_nobody_reads_are_given_back(serve: Serve) -> None:
    """Else a connection would take no more uploads once a window's worth was not read."""
    with serve(**APPLICATION) as address, RawHttp2(address) as client:
        client.begin()
        for first in range(1, 49, 8):
            streams = range(first, first + 8, 2)
            for stream in streams:
                client.send(request(stream, "/stubborn", method="POST", ends=False))
                client.send(frame(DATA, 0, stream, PART) * 7)
            for stream in streams:
                assert client.status(stream) == 200
                assert client.until(RST_STREAM, stream).code == NO_ERROR
        client.send(request(101, "/echo", method="POST", ends=False))
        client.send(frame(DATA, END_STREAM, 101, b"read"))
        assert client.status(101) == 200
        assert client.body(101) == b"read"
