"""Bodies of requests: those that come with their head, those that nobody reads, and their windows.

Each is what a client that knows nothing of ours may do (`support.raw_http2`).
"""

from __future__ import annotations

import pytest

from support import TESTS
from support.every_pair import pairs
from support.raw_http2 import (
    DATA,
    END_STREAM,
    NO_ERROR,
    PADDED,
    PROTOCOL_ERROR,
    RST_STREAM,
    WINDOW_UPDATE,
    RawHttp2,
    frame,
    request,
    window_update,
)
from support.servers.folder import Serve

APPLICATION = {"target": "applications.asgi.counted:app", "chdir": str(TESTS), "h2c": True}

PART = bytes(16_384)

HEAD_BYTES = 9
"""Of a frame (RFC 9113, section 4.1)."""

WINDOW_BYTES = 1_048_576
"""What the server allows on a connection, as its first frames say."""


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
        for first in range(1, 25, 8):
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


def sends(client: RawHttp2, room: int, *frames: bytes) -> int:
    """Frames with bodies, once the window of the connection has room for them; what is left."""
    size = sum(len(part) - HEAD_BYTES for part in frames)
    while room < size:
        room += client.until(WINDOW_UPDATE, 0).code
    client.send(b"".join(frames))
    return room - size


@pytest.mark.parametrize("padding", [0, 200])
def test_uploads_that_are_answered_in_the_middle_of_a_frame_cost_no_window(
    serve: Serve, padding: int
) -> None:
    """The library drops what has come of a frame whose stream is reset: 200 times 16 KiB would be
    three windows of a connection."""
    body = bytes((padding,)) + PART[1:] if padding else PART
    whole = frame(DATA, PADDED if padding else 0, 0, body)
    with serve(**APPLICATION) as address, RawHttp2(address) as client:
        client.begin()
        room = WINDOW_BYTES
        for stream in range(1, 401, 2):
            one = whole[:5] + stream.to_bytes(4) + whole[9:]
            client.send(request(stream, "/", method="POST", ends=False))
            room = sends(client, room, one[:9000])
            assert client.status(stream) == 200
            assert client.until(RST_STREAM, stream).code == NO_ERROR
            room = sends(client, room + HEAD_BYTES, one[9000:])
        assert is_echoed(client, 401, room)


def test_bodies_that_are_not_as_long_as_they_said_cost_no_window(serve: Serve) -> None:
    with serve(**APPLICATION) as address, RawHttp2(address) as client:
        client.begin()
        room = WINDOW_BYTES
        for stream in range(1, 401, 2):
            long = ("content-length", "20000")
            client.send(request(stream, "/silent", long, method="POST", ends=False))
            room = sends(client, room, frame(DATA, END_STREAM, stream, PART))
            assert client.until(RST_STREAM, stream).code == PROTOCOL_ERROR
        assert is_echoed(client, 401, room)


def is_echoed(client: RawHttp2, stream: int, room: int) -> bool:
    """Whether the connection still takes a body, as long as the window of a stream allows."""
    count = 15
    client.send(request(stream, "/echo", method="POST", ends=False))
    client.send(b"".join(window_update(n, count * len(PART)) for n in (0, stream)))
    for _ in range(count):
        room = sends(client, room, frame(DATA, 0, stream, PART))
    client.send(frame(DATA, END_STREAM, stream))
    return client.status(stream) == 200 and client.body(stream) == PART * count
