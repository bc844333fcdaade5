"""A client that asks for the same again, and for what only looks the same: each gets its own
answer, and each is what the log says of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fivefold.http1.limits import Limits
from fivefold.http2.request import LONGEST_BYTES, Requests
from fivefold.http2.stream import StreamConnection
from support import TESTS
from support.raw_http2 import DATA, END_STREAM, RawHttp2, frame, request
from support.scripted_connection import FakeConnection
from support.servers.folder import Serve

APPLICATION = {"target": "applications.asgi.counted:app", "chdir": str(TESTS), "h2c": True}

FIELDS = ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"test"), (b":path", b"/"))

TOO_MANY = [("x", "y")] * Limits().header_count
"""Fields that nobody reads: nothing is known of such a request."""


def test_the_same_fields_with_a_body_and_without(serve: Serve) -> None:
    with serve(**APPLICATION) as address, RawHttp2(address) as client:
        client.begin()
        for stream, body in ((1, b""), (3, b"some"), (5, b""), (7, b""), (9, b"other")):
            client.send(request(stream, "/echo", method="POST", ends=not body))
            if body:
                client.send(frame(DATA, END_STREAM, stream, body))
            assert client.status(stream) == 200
            assert (client.body(stream) if body else b"") == body


def test_what_is_refused_is_not_taken_for_the_request_before(serve: Serve, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with (
        serve(
            **APPLICATION, access_log=str(log), access_log_format="{request}|{status}"
        ) as address,
        RawHttp2(address) as client,
    ):
        client.begin()
        for stream, more, status in ((1, [], 200), (3, TOO_MANY, 431), (5, [], 200)):
            client.send(request(stream, "/", *more))
            assert client.status(stream) == status
    assert log.read_text().splitlines() == ["GET / HTTP/2.0|200", "-|431", "GET / HTTP/2.0|200"]


def test_a_connection_keeps_no_long_request() -> None:
    """Its fields would stay as long as it is idle."""
    requests = Requests(Limits())
    short = requests.of(FIELDS, True)
    assert (short.fields, short.ends) == (FIELDS, True)
    assert requests.of(FIELDS, True) is short
    long = requests.of((*FIELDS, (b"x-long", bytes(LONGEST_BYTES).replace(b"\0", b"x"))), True)
    assert long.fields is None


def test_what_content_knows_of_a_connection_is_known_of_all_its_streams() -> None:
    conn = FakeConnection([])
    carrier: Any = SimpleNamespace(conn=conn)
    StreamConnection(carrier, 1).remember("its ends")
    assert conn.remembered == StreamConnection(carrier, 3).remembered == "its ends"
