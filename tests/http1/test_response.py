"""Response heads as http.client reads them, dates at the edge of a second, and bounded tables."""

from __future__ import annotations

import email.utils
import io
from http.client import HTTPResponse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.http1 import response as module
from fivefold.http1.bounded import ENTRY_BYTES, Bounded
from fivefold.http1.response import (
    DateField,
    ResponseHead,
    closing_head,
    head_bytes,
    http_date,
    joined,
    plain,
    serialized,
)


class Read:
    """A socket that http.client can read a response from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._data)


def as_read(data: bytes, method: str = "GET") -> tuple[HTTPResponse, bytes]:
    found = HTTPResponse(Read(data), method=method)  # type: ignore[arg-type]
    found.begin()
    return found, found.read()


@pytest.mark.parametrize("length", [None, 4])
@pytest.mark.parametrize("dated", [True, False])
def test_a_joined_response_is_read_as_it_was_meant(length: int | None, *, dated: bool) -> None:
    own = [(b"Date", b"Thu, 01 Jan 1970 00:00:00 GMT")] if dated else []
    head = ResponseHead(200, [(b"X-One", b"1"), *own], length=length, dated=dated)
    date = DateField().at(0.0)
    found, body = as_read(joined(head, b"data", date))
    assert (found.status, found.reason, body) == (200, "OK", b"data")
    assert found.headers.get_all("Content-Length") == ["4"]
    assert len(found.headers.get_all("Date") or ()) == 1
    assert (found.headers["Date"].startswith("Thu, 01 Jan 1970")) is dated
    assert found.headers["X-One"] == "1"
    assert not found.will_close


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_no_length(status: int) -> None:
    head = ResponseHead(status, [])
    found, body = as_read(head.lines + head.framing)
    assert (found.status, body) == (status, b"")
    assert found.headers["Content-Length"] is None
    assert not head.is_ordinary


def test_304_may_tell_the_length_of_what_it_stands_for() -> None:
    head = ResponseHead(304, [], length=99)
    found, body = as_read(head.lines + head.framing)
    assert (found.headers["Content-Length"], body) == ("99", b"")


def test_a_head_that_closes_says_so_and_nothing_else_moves() -> None:
    made = joined(ResponseHead(200, [(b"X", b"1")], length=4), b"\r\n\r\n", b"")
    closing = closing_head(made)
    found, body = as_read(closing)
    assert (found.will_close, found.headers["X"], body) == (True, "1", b"\r\n\r\n")
    assert closing.replace(b"Connection: close\r\n", b"") == made
    assert head_bytes(made) == len(made) - 4


def test_fields_keep_their_order_and_their_repetitions() -> None:
    fields = [(b"Set-Cookie", b"a=1"), (b"X", b""), (b"Set-Cookie", b"b=2")]
    found, _ = as_read(serialized(200, [*fields, (b"Content-Length", b"0")], b""))
    assert found.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert found.headers["X"] == ""


@pytest.mark.parametrize("status", sorted(module.PHRASES.keys() - {100}))
def test_every_status_has_a_line_that_can_be_read(status: int) -> None:
    found, _ = as_read(serialized(status, [(b"Content-Length", b"0")], b""), "HEAD")
    assert found.status == status


def test_a_refusal_says_what_and_why() -> None:
    made = plain(404, "no such file", [(b"X", b"1")])
    assert made.body == b"404 Not Found\n\nno such file\n"
    assert made.fields[-1] == (b"X", b"1")
    assert made.length == len(made.body)


@given(st.integers(0, 2**33))
def test_a_date_is_read_back(seconds: int) -> None:
    assert email.utils.parsedate_to_datetime(http_date(seconds).decode()).timestamp() == seconds


def test_the_date_is_made_again_at_the_edge_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = 1_000_000_000.75
    monkeypatch.setattr("fivefold.http1.response.time.time", lambda: wall)
    field = DateField()
    first = field.at(50.0)
    assert first == b"Date: Sun, 09 Sep 2001 01:46:40 GMT\r\n"
    assert field.until == pytest.approx(50.25)
    wall = 1_000_000_001.0
    assert field.at(50.24) is first
    assert field.at(50.25) == b"Date: Sun, 09 Sep 2001 01:46:41 GMT\r\n"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 400))))
def test_a_bounded_table_never_holds_more_than_it_may(puts: list[tuple[int, int]]) -> None:
    most, longest = 2000, 300
    table: Bounded[int, int] = Bounded(most, longest)
    for key, size in puts:
        assert table.remember(key, size, size) is (size <= longest)
        if size <= longest:
            assert table.get(key) == size
        assert len(table) * ENTRY_BYTES <= most


def test_what_is_put_again_is_counted_once() -> None:
    table: Bounded[str, int] = Bounded(2 * (ENTRY_BYTES + 10), 10)
    for value in range(100):
        table.remember("one", value, 10)
    table.remember("two", 0, 10)
    assert table == {"one": 99, "two": 0}
    table.remember("three", 0, 10)
    assert table == {"three": 0}
