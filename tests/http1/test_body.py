"""Bodies: whatever the cuts, the content is the same and what follows is left for the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.errors import PeerGone, ProtocolError
from fivefold.http1.body import Body
from fivefold.http1.chunked import LINES_AT_ONCE
from fivefold.http1.head.parser import HeadParser
from fivefold.http1.head.reader import Memory
from fivefold.http1.limits import Limits
from fivefold.http1.request import Request
from fivefold.http1.response import CONTINUE
from support.scripted_connection import SILENCE, FakeConnection

NEXT = b"GET /next HTTP/1.1\r\nHost: t\r\n\r\n"


def request(*lines: bytes) -> Request:
    fields = b"".join(b"%s\r\n" % line for line in lines)
    head = b"POST / HTTP/1.1\r\nHost: t\r\n%s\r\n" % fields
    return HeadParser(Limits(), Memory(Limits()).requests).parse(head)


Framed = Callable[[bytes], tuple[Request, bytes]]


def sized(content: bytes) -> tuple[Request, bytes]:
    return request(b"Content-Length: %d" % len(content)), content


def chunked(content: bytes, size: int = 7) -> tuple[Request, bytes]:
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    return request(b"Transfer-Encoding: chunked"), coded


async def read_all(body: Body) -> bytes:
    parts = []
    while part := await body.read():
        parts.append(part)
    assert body.finished
    assert await body.read() == b""
    return b"".join(parts)


@pytest.mark.parametrize("framed", [sized, chunked])
@given(content=st.binary(max_size=100), cuts=st.lists(st.integers(1, 40), max_size=20))
def test_it_does_not_matter_where_the_stream_is_cut(
    framed: Framed, content: bytes, cuts: list[int]
) -> None:
    asked, coded = framed(content)
    stream, parts, at = coded + NEXT, [], 0
    for cut in cuts:
        parts.append(stream[at : at + cut])
        at += cut
    parts.append(stream[at:])
    received, *later = [part for part in parts if part]

    async def read() -> None:
        conn = FakeConnection(later)
        body = Body(conn, asked, received, Limits())
        assert await read_all(body) == content
        left = body.rest
        while part := await conn.recv():
            left += part
        assert left == NEXT

    asyncio.run(read())


def refused(body: Body) -> int:
    with pytest.raises(ProtocolError) as caught:
        asyncio.run(read_all(body))
    return caught.value.status


def test_a_sized_body_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(ProtocolError) as caught:
        Body(FakeConnection([]), request(b"Content-Length: 11"), b"", Limits(body_bytes=10))
    assert caught.value.status == 413


@pytest.mark.parametrize(("length", "status"), [(10, None), (11, 413)])
def test_a_chunked_body_is_counted_without_its_framing(length: int, status: int | None) -> None:
    asked, coded = chunked(b"x" * length, size=1)
    body = Body(FakeConnection([]), asked, coded, Limits(body_bytes=10))
    if status is None:
        assert asyncio.run(read_all(body)) == b"x" * 10
    else:
        assert refused(body) == status


@pytest.mark.parametrize(
    "coded", [b"x\r\n", b"-1\r\n", b"1\nx\n", b"1\r\nxy\r\n", b"0x1\r\nx\r\n", b"1 \r\nx\r\n"]
)
def test_a_broken_coding_is_400(coded: bytes) -> None:
    asked, _ = chunked(b"")
    assert refused(Body(FakeConnection([]), asked, coded, Limits())) == 400


def test_silence_is_408_and_an_end_is_a_peer_that_is_gone() -> None:
    asked, coded = sized(b"content")
    assert refused(Body(FakeConnection([coded[:3], SILENCE]), asked, b"", Limits())) == 408
    with pytest.raises(PeerGone):
        asyncio.run(read_all(Body(FakeConnection([coded[:3]]), asked, b"", Limits())))


def test_a_waiting_client_may_go_on_once_when_the_body_is_wanted() -> None:
    asked = request(b"Content-Length: 4", b"Expect: 100-continue")
    conn = FakeConnection([b"bo", b"dy"])
    body = Body(conn, asked, b"", Limits())
    assert body.awaits_permission
    assert conn.sent == b""
    assert asyncio.run(read_all(body)) == b"body"
    assert conn.sent == CONTINUE
    assert not body.awaits_permission


def test_a_client_that_did_not_wait_hears_nothing() -> None:
    asked = request(b"Content-Length: 4", b"Expect: 100-continue")
    conn = FakeConnection([b"dy"])
    body = Body(conn, asked, b"bo", Limits())
    assert asyncio.run(read_all(body)) == b"body"
    assert conn.sent == b""


@pytest.mark.parametrize("framed", [sized, chunked])
@pytest.mark.parametrize(("most", "over"), [(0, False), (50, False), (101, True), (1000, True)])
def test_what_nobody_wanted_is_read_up_to_a_bound(framed: Framed, most: int, *, over: bool) -> None:
    asked, coded = framed(b"x" * 100)
    parts = [coded[at : at + 10] for at in range(0, len(coded), 10)]
    body = Body(FakeConnection(parts), asked, b"", Limits())
    assert asyncio.run(body.skip(most)) is over


def test_what_a_watch_has_received_comes_after_what_was_there() -> None:
    asked, _ = sized(b"content")
    body = Body(FakeConnection([]), asked, b"con", Limits())
    body.put(b"tent" + NEXT)
    assert body.ahead == len(b"content" + NEXT)
    assert asyncio.run(read_all(body)) == b"content"
    assert body.rest == NEXT


def test_tiny_chunks_leave_turns_to_the_others() -> None:
    """A receive has room for thousands: understood at once they would take 10 ms and more."""
    content = b"x" * 2700
    asked, coded = chunked(content, 1)
    conn = FakeConnection([coded[10:] + NEXT])
    body = Body(conn, asked, coded[:10], Limits())
    longest = 0

    async def read() -> bytes:
        nonlocal longest
        parts = []
        while part := await body.read():
            longest = max(longest, len(part))
            parts.append(part)
        return b"".join(parts)

    assert asyncio.run(read()) == content
    assert body.rest == NEXT
    assert longest <= LINES_AT_ONCE // 2
    assert conn.yields >= len(content) // longest


def test_chunks_that_hold_something_cost_no_turn() -> None:
    asked, coded = chunked(b"x" * 65536, 256)
    conn = FakeConnection([coded[at : at + 16384] for at in range(0, len(coded), 16384)])
    assert asyncio.run(read_all(Body(conn, asked, b"", Limits()))) == b"x" * 65536
    assert conn.yields == 0


def test_a_read_that_is_cancelled_in_its_turn_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = bytes(range(256)) * 8
    asked, coded = chunked(content, 1)
    conn = FakeConnection([coded])
    body = Body(conn, asked, b"", Limits())

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def read() -> bytes:
        begun = await body.read()
        with monkeypatch.context() as changed:
            changed.setattr(conn, "yield_turn", cancelled)
            with pytest.raises(asyncio.CancelledError):
                await body.read()
        return begun + await read_all(body)

    assert asyncio.run(read()) == content
