"""Finding heads: however a stream is cut, the same requests come out of it, or the same refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.errors import PeerGone, ProtocolError
from fivefold.http1.head.reader import HeadReader, Memory
from fivefold.http1.limits import Limits
from support.scripted_connection import SILENCE, FakeConnection

HEADS = [
    b"GET /%d HTTP/1.1\r\nHost: t\r\nX-%d: %s\r\n\r\n" % (n, n, b"v" * n) for n in range(1, 40, 6)
]
SMALL = Limits(request_line_bytes=60, head_bytes=200, header_count=5)


async def collected(parts: Sequence[bytes | None], count: int, limits: Limits) -> list[bytes]:
    """`count` heads of a stream that comes in these parts."""
    conn = FakeConnection(parts)
    reader = HeadReader(conn, Memory(limits))
    rest, found = b"", []
    for _ in range(count):
        _, head, rest = await reader.next(rest, 0.0)
        found.append(head)
        assert reader.partial == b""
    return found


@given(st.lists(st.integers(1, 250), min_size=1, max_size=40))
def test_it_does_not_matter_where_the_stream_is_cut(cuts: list[int]) -> None:
    stream = b"\r\n\r\n".join(HEADS)  # empty lines between them are passed over
    parts, at = [], 0
    for cut in cuts:
        parts.append(stream[at : at + cut])
        at += cut
    parts.append(stream[at:])
    filled = [part for part in parts if part]
    assert asyncio.run(collected(filled, len(HEADS), Limits())) == HEADS


def test_byte_by_byte() -> None:
    head = HEADS[0]
    parts = [bytes([byte]) for byte in head * 2]
    assert asyncio.run(collected(parts, 2, Limits())) == [head, head]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x02\x00", 400),  # a TLS hello
        (b"GET / HTTP/1.1\nHost: t\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: t\n", 400),
        (b"GET /" + b"a" * 60, 414),
        (b"GET / HTTP/1.1\r\nHost: t\r\nX: " + b"a" * 200, 431),
        (b"\r\n\r\n\r\n(", 400),
    ],
)
def test_what_cannot_become_a_request_is_refused_before_its_end(data: bytes, status: int) -> None:
    for parts in ([data], [bytes([byte]) for byte in data]):
        with pytest.raises(ProtocolError) as caught:
            asyncio.run(collected(parts, 1, SMALL))
        assert caught.value.status == status


def test_silence_within_a_head_is_408_and_what_had_come_is_kept_for_the_log() -> None:
    async def read() -> HeadReader:
        reader = HeadReader(FakeConnection([b"GET / HT", SILENCE]), Memory(Limits()))
        with pytest.raises(ProtocolError) as caught:
            await reader.next(b"", 0.0)
        assert caught.value.status == 408
        return reader

    assert asyncio.run(read()).partial == b"GET / HT"


def test_an_end_within_a_head_is_no_request() -> None:
    with pytest.raises(PeerGone):
        asyncio.run(collected([b"GET / HTTP/1.1\r\n"], 1, Limits()))


def test_the_deadline_of_a_head_does_not_move_with_its_parts() -> None:
    deadlines = []

    class Watched(FakeConnection):
        async def recv(self) -> bytes:
            deadlines.append(self.deadline)
            return await super().recv()

    async def read() -> None:
        conn = Watched([bytes([byte]) for byte in HEADS[0]])
        await HeadReader(conn, Memory(Limits(head_s=5.0))).next(b"", 100.0)

    asyncio.run(read())
    assert set(deadlines) == {105.0}


def test_a_short_head_is_known_by_its_bytes_to_all_connections() -> None:
    memory = Memory(Limits())
    request = memory.one(HEADS[0])
    assert request is not None
    assert memory.heads.get(HEADS[0]) is request
    assert memory.one(HEADS[0]) is request


def test_a_parser_serves_connection_after_connection() -> None:
    memory = Memory(Limits())
    closing = HEADS[1][:-2] + b"Connection: close\r\n\r\n"
    for head in (HEADS[0], closing, HEADS[0][:-2], b"POST / HTTP/1.1\r\nHost: t\r\n\r\n", HEADS[2]):
        memory.one(head)
        # Whatever it saw last, it takes a request in order, and whole.
        request = memory.one(HEADS[3])
        assert request is not None
        assert request.target == b"/19"
    assert len(memory.parsers) == 1
