"""Request heads: what they mean, against h11; and that the short way agrees with the long one."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.errors import ProtocolError
from fivefold.http1.head.parser import HeadParser
from fivefold.http1.head.reader import Memory
from fivefold.http1.limits import Limits
from fivefold.http1.request import Request, fields_of

TOKEN = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=12).map(str.encode)
VALUE = st.text("".join(map(chr, range(0x21, 0x7F))) + " \tÿé", max_size=40).map(
    lambda text: text.strip(" \t").encode("latin-1")
)
FRAMING = {b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"}
TARGET = st.text("abz09-._~!$&'()*+,;=:@/%", max_size=40).map(lambda text: b"/" + text.encode())


@st.composite
def heads(draw: st.DrawFn) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """A head of a request without a body, its target, its fields."""
    target = draw(TARGET)
    others = draw(st.lists(st.tuples(TOKEN, VALUE), max_size=6))
    fields = [(b"Host", b"t.example"), *((n, v) for n, v in others if n.lower() not in FRAMING)]
    space = draw(st.sampled_from([b" ", b"", b"\t ", b"   "]))
    lines = [b"%s:%s%s%s\r\n" % (n, space, v, space) for n, v in fields]
    return b"GET %s HTTP/1.1\r\n%s\r\n" % (target, b"".join(lines)), target, fields


def parser(limits: Limits | None = None) -> HeadParser:
    return HeadParser(limits or Limits(), Memory(Limits()).requests)


def parsed(head: bytes) -> Request:
    return parser().parse(head)


def refusal_of(head: bytes, limits: Limits | None = None) -> int:
    with pytest.raises(ProtocolError) as caught:
        parser(limits).parse(head)
    return caught.value.status


@given(heads())
def test_target_and_fields_are_those_that_h11_finds(made: tuple[bytes, bytes, object]) -> None:
    head, target, _ = made
    judge = h11.Connection(h11.SERVER)
    judge.receive_data(head)
    event = judge.next_event()
    assert isinstance(event, h11.Request)

    request = parsed(head)

    assert (request.method.encode(), request.target) == (event.method, event.target)
    assert fields_of(head) == list(event.headers)
    assert request.target == target
    assert not request.has_body
    assert request.keep_alive


SHARED = Memory(Limits())


@given(heads())
def test_the_short_way_says_what_the_long_way_says(made: tuple[bytes, bytes, object]) -> None:
    """With a memory that all of these requests share."""
    head = made[0]
    short = HeadParser(Limits(), SHARED.requests).parse_one(head)
    assert short is not None
    long = parsed(head)
    for name in Request.__annotations__:
        assert getattr(short, name) == getattr(long, name), name


@given(heads(), st.data())
def test_the_short_way_takes_nothing_but_one_whole_request(
    made: tuple[bytes, bytes, object], data: st.DataObject
) -> None:
    head = made[0]
    one = parser()
    cut = data.draw(st.integers(0, len(head) - 1))
    for other in (head[:cut], head + head, b"\r\n" + head, head + b"x", head[:-2]):
        assert one.parse_one(other) is None
        assert one.parse_one(head) is not None  # what was refused has spoilt nothing


def head_of(*lines: bytes, first: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: t") -> bytes:
    return b"".join(b"%s\r\n" % line for line in (first, *([host] if host else []), *lines, b""))


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ((), 0),
        ((b"Content-Length: 0",), 0),
        ((b"Content-Length: 7",), 7),
        ((b"content-length:00000007  ",), 7),
        ((b"Transfer-Encoding: chunked",), None),
        ((b"transfer-encoding:\tCHUNKED ",), None),
    ],
)
def test_the_length_of_a_body(lines: tuple[bytes, ...], length: int | None) -> None:
    request = parsed(head_of(*lines, first=b"POST / HTTP/1.1"))
    assert request.content_length == length
    assert request.has_body is (length != 0)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((b"Content-Length: 7", b"Content-Length: 7"), 400),
        ((b"Content-Length: 7, 7",), 400),
        ((b"Content-Length: +7",), 400),
        ((b"Content-Length: 0x7",), 400),
        ((b"Content-Length: 1_0",), 400),
        ((b"Content-Length: \xb2",), 400),  # a digit to Python's `isdigit`, were it text
        ((b"Content-Length:",), 400),
        ((b"Content-Length: 9999999999999999999",), 400),
        ((b"Content-Length : 7",), 400),
        ((b"Transfer-Encoding: chunked", b"Content-Length: 7"), 400),
        ((b"Transfer-Encoding: gzip, chunked",), 501),
        ((b"Transfer-Encoding: chunked, chunked",), 501),
        ((b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 501),
        ((b"Transfer-Encoding: identity",), 501),
        ((b"Expect: 200-ok",), 417),
        ((b"Expect: 100-continue, 100-continue",), 417),
    ],
)
def test_framing_that_two_could_read_differently_is_refused(
    lines: tuple[bytes, ...], status: int
) -> None:
    assert refusal_of(head_of(*lines, first=b"POST / HTTP/1.1")) in (status, 400)


@pytest.mark.parametrize(
    ("line", "minor", "kept"),
    [
        (None, 1, True),
        (None, 0, False),
        (b"close", 1, False),
        (b"Close", 1, False),
        (b"te, CLOSE ,x", 1, False),
        (b"closed", 1, True),
        (b"keep-alive", 0, True),
        (b"Keep-Alive, close", 0, False),
        (b"", 1, True),
    ],
)
def test_whether_the_connection_is_kept(line: bytes | None, minor: int, *, kept: bool) -> None:
    lines = [] if line is None else [b"Connection: " + line]
    assert parsed(head_of(*lines, first=b"GET / HTTP/1.%d" % minor)).keep_alive is kept


@pytest.mark.parametrize(
    ("target", "found", "host"),
    [
        (b"/a?b#", None, None),
        (b"http://other:81/a?b", b"/a?b", b"other:81"),
        (b"HTTPS://other?q", b"/?q", b"other"),
        (b"http://[::1]/", b"/", b"[::1]"),
        (b"http://[::g]/", None, None),
        (b"http:///a", None, None),
        (b"ftp://other/", None, None),
        (b"a", None, None),
        (b"*", None, None),
        (b"//a//b/../c", b"//a//b/../c", b"t"),
    ],
)
def test_the_forms_of_a_target(target: bytes, found: bytes | None, host: bytes | None) -> None:
    head = head_of(first=b"GET %s HTTP/1.1" % target)
    if found is None:
        assert refusal_of(head) == 400
    else:
        assert (parsed(head).target, parsed(head).host) == (found, host)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"", 400),
        (b"Host: a b", 400),
        (b"Host: a/b", 400),
        (b"Host: a@b", 400),
        (b"Host: :80", 400),
        (b"Host: a:123456", 400),
        (b"Host: [::1", 400),
        (b"Host: [::1]x", 400),
        (b"Host: a, b", 400),
        (b"Host: a\r\nHost: a", 400),
        (b"Host: %zz", 400),
    ],
)
def test_a_host_that_is_none_is_refused(host: bytes, status: int) -> None:
    assert refusal_of(head_of(host=host)) == status


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (b"GET / HTTP/2.0", 505),
        (b"GET / HTTP/0.9", 505),
        (b"GET /", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b"GET / http/1.1", 400),
        (b"G\x00T / HTTP/1.1", 400),
        (b"NONSENSE / HTTP/1.1", 501),
        (b"POST / HTTP/1.0", 411),
        (b"CONNECT http://t/ HTTP/1.1", 400),
        (b"CONNECT / HTTP/1.1", 400),
        (b"CONNECT * HTTP/1.1", 400),
    ],
)
def test_a_line_that_is_no_request_line(first: bytes, status: int) -> None:
    assert refusal_of(head_of(first=first)) == status


def test_a_newer_minor_version_is_taken_as_the_newest_known() -> None:
    request = parsed(head_of(first=b"GET / HTTP/1.7"))
    assert (request.minor, request.keep_alive) == (1, True)


@pytest.mark.parametrize(
    ("size", "status"),
    [("line", 414), ("head", 431), ("fields", 431)],
)
def test_each_limit_has_its_status(size: str, status: int) -> None:
    limits = Limits(request_line_bytes=60, head_bytes=300, header_count=4)
    head = {
        "line": head_of(first=b"GET /%s HTTP/1.1" % (b"a" * 60)),
        "head": head_of(b"X: " + b"a" * 300),
        "fields": head_of(*[b"X: a"] * 4),
    }[size]
    assert refusal_of(head, limits) == status
    assert parser(limits).parse_one(head) is None


@pytest.mark.parametrize(
    ("lines", "plain", "selective"),
    [
        ((), b"/", None),
        ((b"Connection: close",), b"/", None),
        ((b"Accept: */*",), b"/", None),  # nobody asks for it
        ((b"Range: bytes=0-1",), None, b"/"),
        ((b"If-None-Match: *", b"If-Range: x"), None, b"/"),
        ((b"If-Match: *",), None, None),
        ((b"If-Unmodified-Since: x",), None, None),
        ((b"Expect: 100-continue",), None, None),
        ((b"Content-Length: 1",), None, None),
    ],
)
def test_what_may_be_answered_from_memory(
    lines: tuple[bytes, ...], plain: bytes | None, selective: bytes | None
) -> None:
    request = parsed(head_of(*lines))
    assert (request.plain_target, request.selective_target) == (plain, selective)
