"""What is sent first (RFC 9218): the client's `priority` field, PRIORITY_UPDATE, and fairness.

The window of the connection decides what can leave, and it is the test's: it is used up before what
is urgent is asked for, and then opened by so many bytes.  So the order is the server's choice, and
neither the network nor time has a part in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from support.every_pair import chosen_pairs
from support.raw_http2 import (
    DATA,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PRIORITY_UPDATE,
    Frame,
    RawHttp2,
    frame,
    request,
    window_update,
)
from support.servers.folder import Serve

FIRST_WINDOW = 65_535
"""Of a connection (RFC 9113, section 6.9.2)."""

BIG, SMALL = "/50m.bin", "/1k.bin"

A_FEW = chosen_pairs(
    # Not where streams are answered in turn: who goes on first is the scheduler's choice, which
    # has hints, completions, signals or all descriptors of a thread to go by.
    "async-epoll",
    "async-uring",
    "async-sigio",
    "thread-poll",
)


def priority(value: str) -> tuple[str, str]:
    return ("priority", value)


def updated(stream: int, value: bytes) -> bytes:
    """RFC 9218, section 7.1."""
    return frame(PRIORITY_UPDATE, 0, 0, stream.to_bytes(4) + value)


@pytest.fixture(params=A_FEW)
def pair(request: pytest.FixtureRequest) -> dict[str, str]:
    given: dict[str, str] = request.param
    return given


class Windowed(RawHttp2):
    """Takes so much of all streams as a test says, whatever one of them has."""

    def start(self, *requests: bytes) -> None:
        """Asks, and takes what the first window holds."""
        self.begin((INITIAL_WINDOW_SIZE, 2**31 - 1))
        self.send(b"".join(requests))
        self.taken(FIRST_WINDOW)

    def ask(self, stream: int, sent: bytes) -> None:
        """Until the server has opened the file: its head needs no window."""
        self.send(sent)
        while self.until(HEADERS).stream != stream:
            pass

    def taken(self, count: int) -> list[Frame]:
        """DATA of so many bytes."""
        found: list[Frame] = []
        while count > 0:
            found.append(self.until(DATA))
            count -= len(found[-1].payload)
        assert count == 0
        return found

    def more(self, count: int) -> list[Frame]:
        """Opens the window by that, and takes it, once the server knows all that was asked."""
        assert self.lives()
        self.send(window_update(0, count))
        return self.taken(count)


@pytest.fixture
def client(pair: dict[str, Any], serve: Serve) -> Iterator[Windowed]:
    with serve(h2c=True, **pair) as address, Windowed(address) as client:
        yield client


def of_each(frames: list[Frame]) -> Counter[int]:
    """Bytes, by their stream."""
    counts: Counter[int] = Counter()
    for found in frames:
        counts[found.stream] += len(found.payload)
    return counts


def test_what_is_urgent_overtakes_what_is_big(client: Windowed) -> None:
    client.start(*(request(n, BIG, priority("u=5, i")) for n in (1, 3, 5)))
    client.ask(7, request(7, SMALL, priority("u=1")))
    first, *_ = client.more(20_000)
    assert (first.stream, len(first.payload), first.ends) == (7, 1024, True)
    # What says nothing has 3, and goes before what can wait.
    client.ask(9, request(9, SMALL))
    assert client.more(20_000)[0].stream == 9


def test_an_update_changes_the_order(client: Windowed) -> None:
    """Of what waits for the window: a part of each stream."""
    client.start(*(request(n, BIG, priority("u=3, i")) for n in (1, 3)))
    client.send(updated(3, b"u=0"))
    assert set(of_each(client.more(20_000))) == {3}
    client.send(updated(3, b"u=7"))
    assert set(of_each(client.more(20_000))) == {1}
    client.ask(5, updated(5, b"u=0") + request(5, SMALL))  # of a stream to come
    assert client.more(20_000)[0].stream == 5


@pytest.mark.parametrize("value", ["u=3, i", "u=0, i"])
def test_streams_of_one_urgency_share_what_there_is(client: Windowed, value: str) -> None:
    streams = (1, 3, 5, 7)
    client.start(*(request(n, BIG, priority(value)) for n in streams))
    client.more(1_000_000)  # all have begun
    counts = of_each(client.more(2_000_000))
    assert set(counts) == set(streams)
    assert min(counts.values()) >= max(counts.values()) / 2


def test_what_is_small_does_not_wait_for_the_end_of_what_is_big(client: Windowed) -> None:
    """Nobody has said what is urgent, as programs that are no browsers do not."""
    client.start(*(request(n, BIG) for n in (1, 3, 5)))
    client.send(request(7, SMALL))
    assert 7 in of_each(client.more(1_000_000))
