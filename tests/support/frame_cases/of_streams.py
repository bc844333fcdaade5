"""What ends one stream, and leaves the others alone."""

from __future__ import annotations

from support.frame_cases.case import (
    CLOSED,
    HEAD,
    MOST,
    POSTED,
    PROTOCOL,
    WHOLE,
    Case,
    fields,
    with_length,
    without,
)
from support.raw_http2 import (
    DATA,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    HEADERS,
    PRIORITISED,
    asked,
    block,
    frame,
    request,
    window_update,
)

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
