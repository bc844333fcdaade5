"""A server that stops tells its clients of HTTP/2 so before it stops to listen (RFC 9113, section
6.8): a GOAWAY with the greatest number, then one with the last stream that was served."""

from __future__ import annotations

import signal

from support import TESTS
from support.every_pair import pairs
from support.raw_http2 import GOAWAY, RawHttp2, request
from support.servers.started import running

Pair = dict[str, str]

GREATEST = 2**31 - 1


def last_of(payload: bytes) -> int:
    return int.from_bytes(payload[:4])


@pairs()
def test_what_is_on_its_way_when_the_server_stops_is_answered(pair: Pair) -> None:
    words = ("--serving", pair["serving"], "--io", pair["io"], "--h2c")
    with (
        running("applications.asgi.counted:app", "--chdir", TESTS, *words) as server,
        RawHttp2(server.address) as client,
    ):
        client.begin()
        client.send(request(1))
        assert client.status(1) == 200
        assert client.body(1) == b"ok"
        server.process.send_signal(signal.SIGTERM)
        assert last_of(client.until(GOAWAY).payload) == GREATEST
        client.send(request(3))
        assert client.status(3) == 200
        assert client.body(3) == b"ok"
        last = client.end()
        assert last is not None
        assert (last_of(last.payload), last.code) == (3, 0)
