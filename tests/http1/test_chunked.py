"""The chunked decoder against llhttp, which shares no code with it."""

from __future__ import annotations

from itertools import pairwise

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.errors import ProtocolError
from fivefold.http1.chunked import LINE_BYTES, TRAILER_BYTES, ChunkedDecoder

HEAD = b"POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
REST = b"GET / HTTP/1.1\r\n"


class Witness:
    def __init__(self) -> None:
        self.content = b""
        self.complete = False

    def on_body(self, data: bytes) -> None:
        self.content += data

    def on_message_complete(self) -> None:
        self.complete = True


def llhttp_says(data: bytes) -> bytes | None:
    """The content, if the body is complete and in order."""
    witness = Witness()
    parser = httptools.HttpRequestParser(witness)
    try:
        parser.feed_data(HEAD + data)
    except httptools.HttpParserError:
        return None
    return witness.content if witness.complete else None


def we_say(parts: list[bytes]) -> tuple[bytes, bytes] | None:
    decoder = ChunkedDecoder()
    content = b""
    try:
        for part in parts:
            content += decoder.feed(part)
            while decoder.behind:
                content += decoder.feed(b"")
    except ProtocolError:
        return None
    return (content, decoder.rest) if decoder.finished else None


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


chunks = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


@given(
    chunks, st.lists(st.integers(min_value=0), max_size=8), st.sampled_from(["%x", "%X", "%05x"])
)
def test_any_cut_of_a_valid_body_gives_the_content(
    parts: list[bytes], places: list[int], size: str
) -> None:
    encoded = b"".join((size % len(p)).encode() + b"\r\n" + p + b"\r\n" for p in parts)
    encoded += b"0\r\n\r\n"
    content = b"".join(parts)
    assert llhttp_says(encoded) == content
    assert we_say(cut(encoded + REST, places)) == (content, REST)


@given(chunks, st.integers(min_value=0), st.integers(0, 255))
def test_a_damaged_body_is_never_read_otherwise_than_llhttp_reads_it(
    parts: list[bytes], place: int, byte: int
) -> None:
    """We may refuse more than llhttp; what we accept must have the same content."""
    encoded = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
    place %= len(encoded)
    damaged = encoded[:place] + bytes((byte,)) + encoded[place + 1 :]
    ours = we_say([damaged])
    if ours is not None:
        assert llhttp_says(damaged[: len(damaged) - len(ours[1])]) == ours[0]


@pytest.mark.parametrize(
    "line", [b"5 ", b"5;", b"5; ", b"5;bad[=x", b"5;a=", b'5;a="x', b"5;a=b ", b"5 x", b"5;;a"]
)
def test_a_size_line_is_as_the_grammar_says(line: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        ChunkedDecoder().feed(line + b"\r\nhello\r\n0\r\n\r\n")
    assert caught.value.status == 400


@pytest.mark.parametrize("line", [b"5 ;a", b"5;a=b", b"5 ; a = b;c", b'5;a="x \\" y;z"', b"05;a"])
def test_extensions_are_passed_over(line: bytes) -> None:
    decoder = ChunkedDecoder()
    assert decoder.feed(line + b"\r\nhello\r\n0\r\n\r\n") == b"hello"
    assert decoder.finished


def status_of(*parts: bytes) -> int:
    decoder = ChunkedDecoder()
    with pytest.raises(ProtocolError) as caught:
        for part in parts:
            decoder.feed(part)
    return caught.value.status


@pytest.mark.parametrize("size", [b"f" * 15, b"0" * 14 + b"a"])
def test_a_size_may_have_as_many_digits_as_fit_in_63_bits(size: bytes) -> None:
    decoder = ChunkedDecoder()
    assert decoder.feed(size + b"\r\n" + b"x" * 7) == b"x" * 7
    assert not decoder.finished
    assert decoder.rest == b""  # what has not come takes no room


@pytest.mark.parametrize("size", [b"f" * 16, b"0" * 15 + b"a", b"1" + b"0" * 400])
def test_a_size_that_does_not_fit_is_refused(size: bytes) -> None:
    assert status_of(size + b"\r\n") == 400


TRAILED = b"5;a=b\r\nhello\r\n0;last\r\nDigest: x\r\nEmpty:\r\n\r\n"


def test_extensions_and_trailers_may_be_cut_anywhere() -> None:
    stream = TRAILED + REST
    for place in range(len(stream) + 1):
        parts = [stream[:place], stream[place:]]
        assert we_say(parts) == (b"hello", REST), parts


@pytest.mark.parametrize(
    "line",
    [b" folded", b"\tfolded", b"no colon", b"a b: c", b": c", b"a : c", b"a: \0", b"a: b\x7f"],
)
def test_a_malformed_trailer_is_refused(line: bytes) -> None:
    assert status_of(b"0\r\nFirst: x\r\n" + line + b"\r\n\r\n") == 400


@pytest.mark.parametrize("count", [TRAILER_BYTES // 100, TRAILER_BYTES // 100 + 1])
def test_trailers_are_bounded_together(count: int) -> None:
    lines = b"".join(b"a:%s\r\n" % (b"x" * 98) for _ in range(count))
    if count * 100 > TRAILER_BYTES:
        assert status_of(b"0\r\n" + lines + b"\r\n") == 431
    else:
        assert we_say([b"0\r\n" + lines + b"\r\n"]) == (b"", b"")


@pytest.mark.parametrize("before", [b"5;", b"0\r\na:", b"5\r\nhello\r\n5;"])
def test_a_line_that_does_not_end_is_refused_before_it_does(before: bytes) -> None:
    assert status_of(before, *[b"x" * 64] * (LINE_BYTES // 64)) == 400


@pytest.mark.parametrize("stray", [b"\r", b"\n"])
def test_a_lone_cr_or_lf_anywhere_but_in_the_data_is_refused(stray: bytes) -> None:
    """Another server in front may take it for the end of a line."""
    start = TRAILED.index(b"hello")
    for place in range(len(TRAILED) - 1):
        damaged = TRAILED[:place] + stray + TRAILED[place:]
        for parts in ([damaged], [bytes([byte]) for byte in damaged]):
            assert we_say(parts) is None, damaged
            # Within the data it makes that longer, of which only the end can tell.
            if not start <= place <= start + len(b"hello"):
                assert status_of(*parts) == 400


@pytest.mark.parametrize("begun", [b"5\n", b"5;a\rb", b"5\r\nhellox", b"0\r\na: b\n"])
def test_what_can_become_no_line_is_refused_before_its_end(begun: bytes) -> None:
    """Its client may wait for an answer."""
    assert status_of(begun) == 400
