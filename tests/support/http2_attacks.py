"""What hostile clients of HTTP/2 have done to servers: each attack as the frames that it sends.

Frames are made as `support.raw_http2` makes them, by nothing of the server's.  The paths are those
of `applications.asgi.counted`, so that what a server works at for nobody can be counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from support.raw_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    PRIORITY,
    asked,
    block,
    frame,
    number,
    request,
    reset,
    settings,
    text,
    window_update,
)

STREAMS = 1000
"""Of the first attack of this kind (CVE-2023-44487)."""

ON_AND_ON = 20_000

MOST = 2**31 - 1

PART_BYTES = 16_384

BREAK = b""
"""What follows is sent when a server has had time for what was before."""

BATCH = 90
"""Fewer streams than any server allows."""


class Attack(NamedTuple):
    """`frames` follow the preface; `ends`: whether a server has to end the connection."""

    name: str
    frames: Callable[[], Iterable[bytes]]
    ends: bool
    settings: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        return self.name

    def parts(self) -> Iterator[bytes]:
        """The frames, some at a time; `BREAK` ends a part."""
        part = bytearray()
        for each in self.frames():
            part += each
            if len(part) >= PART_BYTES or (part and each is BREAK):
                yield bytes(part)
                part.clear()
        if part:
            yield bytes(part)


def numbers(count: int) -> range:
    """Of the streams of a client."""
    return range(1, 2 * count, 2)


def resets(count: int) -> Iterator[bytes]:
    """A request and its reset: work that nobody waits for."""
    return (asks(n) + reset(n) for n in numbers(count))


def begun(ask: Callable[[int], bytes], end: Callable[[int], bytes]) -> Iterator[bytes]:
    """A thousand streams, each ended when a server is at work for it."""
    every = numbers(STREAMS)
    for first in range(0, STREAMS, BATCH):
        batch = every[first : first + BATCH]
        yield from (ask(n) for n in batch)
        yield BREAK
        yield from (end(n) for n in batch)
        yield BREAK


def made_to_reset(wrong: Callable[[int], bytes], ask: Callable[[int], bytes]) -> Iterator[bytes]:
    """MadeYouReset (CVE-2025-8671): the client has the server reset what it has asked for."""
    return (ask(n) + wrong(n) for n in numbers(ON_AND_ON))


def asks(stream: int) -> bytes:
    return request(stream, "/stubborn")


def posts(stream: int) -> bytes:
    return request(stream, "/stubborn", method="POST", ends=False)


def posts_a_byte(stream: int) -> bytes:
    return request(stream, "/stubborn", ("content-length", "1"), method="POST", ends=False)


def no_increment(stream: int) -> bytes:
    return window_update(stream, 0)


def too_large_a_window(stream: int) -> bytes:
    return window_update(stream, MOST)


def data_behind_the_end(stream: int) -> bytes:
    return frame(DATA, END_STREAM, stream, b"x")


def more_than_a_byte(stream: int) -> bytes:
    return frame(DATA, END_STREAM, stream, b"xy")


def continuations() -> Iterator[bytes]:
    """A head that does not end (CVE-2024-27316 and its siblings)."""
    yield frame(HEADERS, END_STREAM, 1, block(asked()))
    for n in range(ON_AND_ON):
        yield frame(CONTINUATION, 0, 1, block([(f"x-{n}", "y" * 200)]))


INDEXED = 0x80

KEPT = 0x40
"""Kinds of a field: by its index; a literal that goes into the table (RFC 7541, section 6)."""

NEWEST = 62


def bombs() -> Iterator[bytes]:
    """A field of 4,000 bytes goes into the table, and is named again and again, by a byte each
    time (CVE-2016-6581): 12 KiB on the wire are 48 MB of fields."""
    kept = bytes((KEPT,)) + text("x") + text("y" * 4000)
    many = number(NEWEST, 7, INDEXED) * 12_000
    for n in numbers(STREAMS):
        head = block(asked()) + (kept if n == 1 else b"")
        yield frame(HEADERS, END_STREAM | END_HEADERS, n, head + many)


def again(each: bytes, *, behind: bytes = b"") -> Callable[[], Iterator[bytes]]:
    def frames() -> Iterator[bytes]:
        yield behind
        for _ in range(ON_AND_ON):
            yield each

    return frames


def priorities() -> Iterator[bytes]:
    """Of streams that are never opened (CVE-2019-9513)."""
    return (frame(PRIORITY, 0, n, bytes(5)) for n in numbers(ON_AND_ON))


def many_that_take_nothing() -> Iterator[bytes]:
    """And more than are allowed (CVE-2019-9517)."""
    return (request(n, "/endless") for n in numbers(STREAMS))


NO_WINDOW = ((INITIAL_WINDOW_SIZE, 0),)

POSTED = request(1, "/silent", method="POST", ends=False)

PINGS, SETTINGS_AGAIN = frame(PING, 0, 0, bytes(8)), settings((HEADER_TABLE_SIZE, 0))

DRIBBLE = again(window_update(1, 1), behind=request(1, "/endless"))
"""CVE-2019-9511: what is sent leaves a byte at a time."""

ATTACKS = (
    Attack("rapid reset of 1,000 streams", lambda: resets(STREAMS), ends=False),
    Attack("resets of what has begun", lambda: begun(asks, reset), ends=False),
    Attack("rapid reset without end", lambda: resets(ON_AND_ON), ends=True),
    Attack("reset by an increment of 0", lambda: made_to_reset(no_increment, asks), ends=True),
    Attack(
        "reset by too large a window", lambda: made_to_reset(too_large_a_window, posts), ends=True
    ),
    Attack(
        "reset by data behind the end", lambda: made_to_reset(data_behind_the_end, asks), ends=True
    ),
    Attack(
        "reset by too long a body", lambda: made_to_reset(more_than_a_byte, posts_a_byte), ends=True
    ),
    Attack(
        "reset by too long a body, later", lambda: begun(posts_a_byte, more_than_a_byte), ends=False
    ),
    Attack("a head without an end", continuations, ends=True),
    Attack("bombs of HPACK", bombs, ends=True),
    Attack("pings", again(PINGS), ends=False),
    Attack("settings", again(SETTINGS_AGAIN), ends=False),
    Attack("empty data", again(frame(DATA, 0, 1), behind=POSTED), ends=True),
    Attack("priorities", priorities, ends=True),
    Attack("a byte of window at a time", DRIBBLE, False, NO_WINDOW),
    Attack("streams without a window", many_that_take_nothing, False, NO_WINDOW),
)
"""What does not end is borne, and must cost no more than its frames."""
