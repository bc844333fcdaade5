"""What ends nothing: what a client may do, and what libnghttp2 takes for it."""

from __future__ import annotations

from support.frame_cases.case import ACK, CLOSED_OR_PROTOCOL, POSTED, PROTOCOL, WHOLE, Case, fields
from support.raw_http2 import (
    DATA,
    END_STREAM,
    HEADER_TABLE_SIZE,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PRIORITY_UPDATE,
    asked,
    block,
    frame,
    request,
    reset,
    settings,
    window_update,
)

GOES_ON = [
    Case("4.1", "an unknown frame", frame(0x16, 0, 0, b"x"), set()),
    Case("4.1", "unknown flags", frame(PING, 0x16, 0, bytes(8)), set()),
    Case("4.1", "the reserved bit", frame(PING, 0, 1 << 31, bytes(8)), set()),
    Case("5.1", "PRIORITY on an idle stream", frame(PRIORITY, 0, 7, bytes(5)), set()),
    Case(
        "6.3",
        "PRIORITY of a stream that has ended",
        request(1) + frame(PRIORITY, 0, 1, bytes(5)),
        set(),
    ),
    Case("6.5.2", "an unknown setting", settings((0xFF, 1)), set()),
    Case("6.5.3", "settings again and again", settings((HEADER_TABLE_SIZE, 0)) * 3, set()),
    Case("6.7", "a PING that answers none of ours", frame(PING, ACK, 0, bytes(8)), set()),
    Case("6.9", "a window for a stream that has ended", request(1) + window_update(1, 1), set()),
    Case("6.4", "a reset of a stream that has ended", request(1) + reset(1), set()),
    Case("6.1", "padded DATA", POSTED + frame(DATA, PADDED | END_STREAM, 1, b"\x02ab\0\0"), set()),
    Case(
        "8.1",
        "trailers",
        POSTED + frame(DATA, 0, 1, b"x") + frame(HEADERS, WHOLE, 1, block([("x", "y")])),
        set(),
    ),
    Case("8.2.2", "te: trailers", fields(*asked(), ("te", "trailers")), set()),
    Case(
        "9218, 7.1",
        "PRIORITY_UPDATE of a stream to come",
        frame(PRIORITY_UPDATE, 0, 0, (1).to_bytes(4) + b"u=1, i") + request(1),
        set(),
    ),
    Case(
        "9218, 7.1",
        "PRIORITY_UPDATE with nonsense",
        request(1) + frame(PRIORITY_UPDATE, 0, 0, (1).to_bytes(4) + b"\xff=("),
        set(),
    ),
    Case("9218, 4", "a priority that is none", fields(*asked(), ("priority", "u=99;;")), set()),
]

IGNORED = [
    Case("5.1.1", "a smaller stream than the last", request(5) + request(3), CLOSED_OR_PROTOCOL),
    Case("6.3", "PRIORITY on stream 0", frame(PRIORITY, 0, 0, bytes(5)), PROTOCOL),
    Case(
        "9218, 7.1",
        "PRIORITY_UPDATE of stream 0",
        frame(PRIORITY_UPDATE, 0, 0, bytes(4) + b"u=1"),
        PROTOCOL,
    ),
]
"""What libnghttp2 does not call an error although it is one: it does nothing, and goes on (the old
priorities are switched off, RFC 9113, section 5.3.2)."""
