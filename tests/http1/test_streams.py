"""Streams of requests, however they are cut, and what a stray byte in one makes of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.content.base import Content
from fivefold.http1.connection import Http1
from fivefold.http1.exchange import Exchange
from fivefold.http1.limits import Limits
from fivefold.http1.response import Response
from support.scripted_connection import FakeConnection, serve, statuses, talk

HEAD = b"POST /first HTTP/1.1\r\nHost: t\r\nX: a b\r\nContent-Length: 4\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("stray", [b"\r", b"\n", b"\0", b"\r ", b"\n ", b"\r\n ", b"\r\n\t"])
def test_a_stray_byte_in_a_head_never_moves_its_end_unseen(stray: bytes) -> None:
    """Lone CR and LF, NUL, folded lines: whoever is in front may read each of them otherwise
    (RFC 9112, sections 2.2 and 5.2)."""
    for place in range(1, len(HEAD)):
        damaged = HEAD[:place] + stray + HEAD[place:]
        found = statuses(talk([damaged + b"body" + NEXT]).sent)
        if 0 <= damaged.find(b"\r\n\r\n") < len(damaged) - 4:
            # The head ends at an empty line before, and what follows it is no request.
            assert found in ([400], [200, 400], [200, 501]), damaged
        else:
            assert found == [400], damaged


def sized(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def chunked(body: bytes) -> bytes:
    half = len(body) // 2
    parts = [part for part in (body[:half], body[half:]) if part]
    coded = b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"Transfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\nDigest: x\r\n\r\n"


class Reader(Content):
    """Reads each body; or none, which the server must then pass over."""

    def __init__(self, *, reads: bool) -> None:
        self._reads = reads
        self.found: list[tuple[str, bytes, bytes]] = []

    async def respond(self, exchange: Exchange) -> None:
        body = b""
        while self._reads and exchange.body is not None and (part := await exchange.body.read()):
            body += part
        self.found.append((exchange.request.method, exchange.request.target, body))
        await exchange.answer(Response(200, [], b"ok"))


BODIES = st.sampled_from([b"x", b"GET / HTTP/1.1\r\n\r\n", b"0\r\n\r\n", b"y" * 300])

ASKED = st.one_of(
    st.tuples(st.sampled_from(["POST", "PUT"]), st.sampled_from([sized, chunked]), BODIES),
    st.tuples(st.sampled_from(["GET", "HEAD"]), st.just(None), st.just(b"")),
)


@pytest.mark.parametrize("reads", [True, False])
@given(asked=st.lists(ASKED, min_size=1, max_size=8), cuts=st.lists(st.integers(0, 4000)))
def test_pipelined_requests_with_bodies_are_not_mixed(
    asked: list[tuple[str, None, bytes]], cuts: list[int], *, reads: bool
) -> None:
    stream, expected = b"", []
    for number, (method, framed, body) in enumerate(asked):
        target = b"/%d" % number
        stream += method.encode() + b" " + target + b" HTTP/1.1\r\nHost: t\r\n"
        stream += framed(body) if framed is not None else b"\r\n"
        expected.append((method, target, body if reads else b""))
    edges = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    content = Reader(reads=reads)
    conn = FakeConnection([stream[start:end] for start, end in pairwise(edges)])
    serve(Http1(content, Limits()), conn)
    assert content.found == expected
    assert statuses(conn.sent) == [200] * len(asked)
