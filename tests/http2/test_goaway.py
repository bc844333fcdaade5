"""A server that stops tells its clients of HTTP/2 so before it stops to listen (RFC 9113, section
6.8): a GOAWAY with the greatest number, a PING, then a GOAWAY with the last that was served."""

from __future__ import annotations

from typing import Any

import pytest

from applications.asgi import counted
from support.every_pair import chosen_pairs, pairs
from support.raw_http2 import ACK, GOAWAY, PING, RawHttp2, frame, request
from support.servers.embedded import hosting

Pair = dict[str, Any]

GREATEST = 2**31 - 1


def last_of(payload: bytes) -> int:
    return int.from_bytes(payload[:4])


def answered(client: RawHttp2, stream: int) -> bool:
    return client.status(stream) == 200 and client.body(stream) == b"ok"


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


@pytest.mark.parametrize("pair", chosen_pairs("async-uring", "thread-blocking", "process-epoll"))
def test_a_client_that_does_not_answer_has_a_moment(pair: Pair) -> None:
    """Two seconds: one pair of each serving model."""
    with hosting(counted.app, h2c=True, **pair) as site, RawHttp2(site.address) as client:
        client.begin()
        site.terminate()
        assert last_of(client.until(GOAWAY).payload) == GREATEST
        client.send(request(1))
        assert answered(client, 1)
        last = client.until(GOAWAY)  # it may be ahead of the data that it promises
        assert (last_of(last.payload), last.code) == (1, 0)
        assert client.has_ended()
