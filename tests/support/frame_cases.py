"""The frames that a client can get wrong, as a table: what is sent, and the codes that may answer
it (RFC 9113, 7541, 8441, 9218)."""

from __future__ import annotations

from typing import NamedTuple

from support.raw_http2 import (
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    PADDED,
    PING,
    PRIORITISED,
    PRIORITY,
    PRIORITY_UPDATE,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    asked,
    block,
    frame,
    request,
    reset,
    settings,
    window_update,
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

OF_CONNECTIONS = [
    Case("4.2", "SETTINGS above the largest frame", frame(SETTINGS, 0, 0, bytes(16_386)), SIZE),
    Case("4.2", "HEADERS above it", frame(HEADERS, WHOLE, 1, bytes(16_385)), SIZE),
    Case("4.2", "DATA above it", POSTED + frame(DATA, 0, 1, bytes(16_385)), SIZE),
    Case("4.3", "a damaged block", frame(HEADERS, WHOLE, 1, b"\x40"), {COMPRESSION_ERROR}),
    Case(
        "4.3",
        "PRIORITY in the middle of a block",
        frame(HEADERS, END_STREAM, 1, HEAD) + frame(PRIORITY, 0, 1, bytes(5)),
        PROTOCOL,
    ),
    Case(
        "4.3",
        "another stream's HEADERS in the middle of a block",
        frame(HEADERS, END_STREAM, 1, HEAD) + request(3),
        PROTOCOL,
    ),
    Case("5.1", "DATA on an idle stream", frame(DATA, END_STREAM, 1, b"x"), PROTOCOL),
    Case("5.1", "RST_STREAM on an idle stream", reset(1), PROTOCOL),
    Case("5.1", "WINDOW_UPDATE on an idle stream", window_update(1, 1), PROTOCOL),
    Case("5.1", "CONTINUATION on an idle stream", frame(CONTINUATION, 4, 1, HEAD), PROTOCOL),
    Case(
        "5.1",
        "HEADERS on a closed stream",
        request(1) + frame(PING, 0, 0, bytes(8)) + request(1),
        CLOSED_OR_PROTOCOL,
    ),
    Case(
        "5.1", "CONTINUATION after the end", request(1) + frame(CONTINUATION, 4, 1, HEAD), PROTOCOL
    ),
    Case("5.1.1", "an even stream", request(2), PROTOCOL),
    Case("6.1", "DATA on stream 0", frame(DATA, 0, 0, b"x"), PROTOCOL),
    Case("6.1", "padding longer than DATA", POSTED + frame(DATA, PADDED, 1, b"\x09ab"), PROTOCOL),
    Case("6.2", "HEADERS on stream 0", frame(HEADERS, WHOLE, 0, HEAD), PROTOCOL),
    Case("6.2", "padding as long as HEADERS", frame(HEADERS, WHOLE | PADDED, 1, b"\xff"), PROTOCOL),
    Case("6.4", "RST_STREAM on stream 0", reset(0), PROTOCOL),
    Case("6.4", "RST_STREAM of 3 bytes", POSTED + frame(RST_STREAM, 0, 1, bytes(3)), SIZE),
    Case("6.5", "SETTINGS with ACK and a payload", frame(SETTINGS, ACK, 0, bytes(6)), SIZE),
    Case("6.5", "SETTINGS on stream 1", frame(SETTINGS, 0, 1, b""), PROTOCOL),
    Case("6.5", "SETTINGS of 3 bytes", frame(SETTINGS, 0, 0, bytes(3)), SIZE),
    Case("6.5.2", "ENABLE_PUSH of 2", settings((ENABLE_PUSH, 2)), PROTOCOL),
    Case(
        "6.5.2",
        "a window above 2^31-1",
        settings((INITIAL_WINDOW_SIZE, MOST + 1)),
        {FLOW_CONTROL_ERROR},
    ),
    Case("6.5.2", "frames below 16,384", settings((MAX_FRAME_SIZE, 16_383)), PROTOCOL),
    Case("6.5.2", "frames above 2^24-1", settings((MAX_FRAME_SIZE, 1 << 24)), PROTOCOL),
    Case("6.6", "PUSH_PROMISE by a client", frame(PUSH_PROMISE, 4, 1, bytes(4) + HEAD), PROTOCOL),
    Case("6.7", "PING on stream 1", frame(PING, 0, 1, bytes(8)), PROTOCOL),
    Case("6.7", "PING of 6 bytes", frame(PING, 0, 0, bytes(6)), SIZE),
    Case("6.8", "GOAWAY on stream 1", frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL),
    Case("6.9", "WINDOW_UPDATE by 0", window_update(0, 0), PROTOCOL),
    Case("6.9", "WINDOW_UPDATE of 3 bytes", frame(WINDOW_UPDATE, 0, 0, bytes(3)), SIZE),
    Case("6.9.1", "a window above 2^31-1", window_update(0, MOST) * 2, {FLOW_CONTROL_ERROR}),
    Case(
        "6.9.1",
        "more than the window of the connection",
        b"".join(
            request(n, "/stubborn", method="POST", ends=False) + frame(DATA, 0, n, PART) * 15
            for n in (1, 3, 5, 7, 9)
        ),
        {FLOW_CONTROL_ERROR},
    ),
    Case("6.10", "CONTINUATION without HEADERS", frame(CONTINUATION, 4, 3, HEAD), PROTOCOL),
    Case(
        "6.10",
        "CONTINUATION on stream 0",
        frame(HEADERS, END_STREAM, 1, HEAD) + frame(CONTINUATION, 4, 0, b""),
        PROTOCOL,
    ),
    Case(
        "6.10",
        "CONTINUATION after END_HEADERS",
        frame(HEADERS, WHOLE, 1, HEAD) + frame(CONTINUATION, 4, 1, b""),
        PROTOCOL,
    ),
    Case(
        "7541, 2.3.3",
        "an index that is not in the table",
        frame(HEADERS, WHOLE, 1, b"\xff\x50"),
        {COMPRESSION_ERROR},
    ),
    Case("7541, 6.1", "index 0", frame(HEADERS, WHOLE, 1, b"\x80"), {COMPRESSION_ERROR}),
    Case(
        "7541, 4.2",
        "a change of the table at the end of a block",
        frame(HEADERS, WHOLE, 1, HEAD + b"\x20"),
        {COMPRESSION_ERROR},
    ),
    Case(
        "7541, 6.3",
        "a table above the setting",
        frame(HEADERS, WHOLE, 1, b"\x3f\xe1\xff\x03" + HEAD),
        {COMPRESSION_ERROR},
    ),
    Case(
        "7541, 5.2",
        "a padded Huffman code of 8 bits",
        frame(HEADERS, WHOLE, 1, HEAD + b"\0\x01a\x84\x49\x50\x9f\xff"),
        {COMPRESSION_ERROR},
    ),
    Case(
        "7541, 5.2",
        "a Huffman code with EOS",
        frame(HEADERS, WHOLE, 1, HEAD + b"\0\x01a\x84\xff\xff\xff\xff"),
        {COMPRESSION_ERROR},
    ),
    Case(
        "9218, 7.1",
        "PRIORITY_UPDATE on stream 1",
        frame(PRIORITY_UPDATE, 0, 1, (1).to_bytes(4) + b"u=1"),
        PROTOCOL,
    ),
    Case("9218, 7.1", "PRIORITY_UPDATE of 3 bytes", frame(PRIORITY_UPDATE, 0, 0, bytes(3)), SIZE),
]

OF_STREAMS = [
    Case(
        "5.3.1",
        "a stream that depends on itself",
        frame(HEADERS, WHOLE | PRIORITISED, 1, (1).to_bytes(4) + b"\0" + HEAD),
        PROTOCOL,
    ),
    Case(
        "6.9",
        "WINDOW_UPDATE by 0",
        request(1, "/silent", ends=False, method="POST") + window_update(1, 0),
        PROTOCOL,
    ),
    Case(
        "6.9.1",
        "a window above 2^31-1",
        request(1, "/silent", ends=False, method="POST") + window_update(1, MOST) * 2,
        {FLOW_CONTROL_ERROR},
    ),
    Case(
        "8.1",
        "trailers that do not end",
        POSTED + frame(HEADERS, 4, 1, block([("x", "y")])),
        PROTOCOL,
    ),
    Case(
        "8.1",
        "pseudo-fields in trailers",
        POSTED + frame(HEADERS, WHOLE, 1, block([(":method", "GET")])),
        PROTOCOL,
    ),
    Case("8.2.1", "upper-case names", fields(*asked(), ("X-Test", "y")), PROTOCOL),
    Case("8.2.1", "a colon within a name", fields(*asked(), ("a:b", "y")), PROTOCOL),
    Case("8.2.1", "an empty name", fields(*asked(), ("", "y")), PROTOCOL),
    Case("8.2.1", "a line feed in a value", fields(*asked(), ("x", "a\nb")), PROTOCOL),
    Case("8.2.1", "a carriage return in a value", fields(*asked(), ("x", "a\rb")), PROTOCOL),
    Case("8.2.1", "a zero in a value", fields(*asked(), ("x", "a\0b")), PROTOCOL),
    Case("8.2.1", "white space before a value", fields(*asked(), ("x", " a")), PROTOCOL),
    Case("8.2.1", "white space behind a value", fields(*asked(), ("x", "a ")), PROTOCOL),
    Case("8.2.2", "connection", fields(*asked(), ("connection", "keep-alive")), PROTOCOL),
    Case(
        "8.2.2", "transfer-encoding", fields(*asked(), ("transfer-encoding", "chunked")), PROTOCOL
    ),
    Case("8.2.2", "upgrade", fields(*asked(), ("upgrade", "h2c")), PROTOCOL),
    Case("8.2.2", "te, but not trailers", fields(*asked(), ("te", "gzip")), PROTOCOL),
    Case("8.3", "an unknown pseudo-field", fields(*asked(), (":test", "x")), PROTOCOL),
    Case("8.3", "a pseudo-field of responses", fields(*asked(), (":status", "200")), PROTOCOL),
    Case(
        "8.3",
        "a pseudo-field behind the others",
        fields(*without(":path"), ("x", "y"), (":path", "/")),
        PROTOCOL,
    ),
    Case("8.3", "a pseudo-field twice", fields(*asked(), (":method", "GET")), PROTOCOL),
    Case("8.3.1", "no method", fields(*without(":method")), PROTOCOL),
    Case("8.3.1", "no scheme", fields(*without(":scheme")), PROTOCOL),
    Case("8.3.1", "no path", fields(*without(":path")), PROTOCOL),
    Case("8.3.1", "an empty path", fields(*without(":path"), (":path", "")), PROTOCOL),
    Case(
        "8.3.1",
        "a path that does not begin with /",
        fields(*without(":path"), (":path", "x")),
        PROTOCOL,
    ),
    Case("8.1.1", "a body shorter than it said", with_length("2", b"x"), PROTOCOL),
    Case("8.1.1", "a body longer than it said", with_length("1", b"x", b"y"), PROTOCOL),
    Case(
        "8.1.1",
        "two lengths",
        fields(*asked(), ("content-length", "0"), ("content-length", "1")),
        PROTOCOL,
    ),
    Case(
        "8.5",
        "CONNECT with a path",
        fields((":method", "CONNECT"), (":authority", "test"), (":path", "/")),
        PROTOCOL,
    ),
    Case(
        "8441, 4",
        "a protocol without CONNECT",
        fields(*asked(), (":protocol", "websocket")),
        PROTOCOL,
    ),
    Case(
        "5.1",
        "DATA after the end",
        request(1, "/silent") + frame(DATA, END_STREAM, 1, b"x"),
        CLOSED,
    ),
    Case("5.1", "HEADERS after the end", request(1, "/silent") + request(1), CLOSED),
]

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
