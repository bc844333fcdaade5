"""A row of the tables, and what its frames are made of."""

from __future__ import annotations

from typing import NamedTuple

from support.raw_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_SIZE_ERROR,
    HEADERS,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
    asked,
    block,
    frame,
    request,
)

ACK = 1

WHOLE = END_HEADERS | END_STREAM

HEAD = block(asked())

POSTED = request(1, method="POST", ends=False)

MOST = 2**31 - 1

PART = bytes(16_384)


class Case(NamedTuple):
    section: str
    name: str
    sent: bytes
    codes: set[int]

    def __str__(self) -> str:
        return f"{self.section}: {self.name}"


def fields(*pairs: tuple[str, str]) -> bytes:
    return frame(HEADERS, WHOLE, 1, block(pairs))


def without(name: str) -> list[tuple[str, str]]:
    return [field for field in asked() if field[0] != name]


def with_length(length: str, *data: bytes) -> bytes:
    head = request(1, "/", ("content-length", length), method="POST", ends=False)
    *first, last = data
    return b"".join(
        (head, *(frame(DATA, 0, 1, part) for part in first), frame(DATA, END_STREAM, 1, last))
    )


PROTOCOL, SIZE, CLOSED = {PROTOCOL_ERROR}, {FRAME_SIZE_ERROR}, {STREAM_CLOSED}

CLOSED_OR_PROTOCOL = CLOSED | PROTOCOL
