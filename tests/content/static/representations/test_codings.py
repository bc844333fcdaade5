"""Accept-Encoding, against a model that is written another way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.content.static.representations.codings import accepted, preferred


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"", ()),
        (b"gzip", (b"gzip",)),
        (b"gzip" + b",a" * 2000, (b"gzip",)),
        (b"gzip" + b",a" * 4000, ()),  # it would take everybody's time
        (b"gzip, deflate, br, zstd", (b"br", b"zstd", b"gzip")),
        (b"GZIP;Q=0.5, Br;q=0.1", (b"gzip", b"br")),
        (b"x-gzip", (b"gzip",)),
        (b"*", (b"br", b"zstd", b"gzip")),
        (b"*;q=0", ()),
        (b"br;q=0, *", (b"zstd", b"gzip")),
        (b"gzip;q=0", ()),
        (b"gzip;q=0.000", ()),
        (b"gzip;q=0.4, identity", ()),
        (b"gzip, identity", (b"gzip",)),
        (b"identity;q=0, gzip;q=0.1", (b"gzip",)),
        (b"gzip;q=1.1", ()),
        (b"gzip;q=", ()),
        (b"gzip;level=9", ()),
        (b"gzipp, gzi p", ()),
        (b",,gzip ; q=0.5 ,", (b"gzip",)),
    ],
)
def test_fields(field: bytes, expected: tuple[bytes, ...]) -> None:
    assert preferred(field) == expected


NAMES = st.sampled_from(["br", "zstd", "gzip", "identity", "*", "deflate"])
THOUSANDTHS = st.none() | st.integers(0, 1000)


@given(st.dictionaries(NAMES, THOUSANDTHS))
def test_the_best_is_taken_and_nothing_that_is_refused(given_: dict[str, int | None]) -> None:
    def element(name: str, weight: int | None) -> str:
        return name if weight is None else f"{name};q={weight // 1000}.{weight % 1000:03}"

    field = ", ".join(element(*pair) for pair in given_.items())
    found = [coding.decode() for coding in preferred(field.encode())]

    def weight(name: str) -> int:
        weight = given_.get(name, given_.get("*", 0) if name != "identity" else 0)
        return 1000 if weight is None else weight

    assert set(found) == {
        name
        for name in ("br", "zstd", "gzip")
        if weight(name) and weight(name) >= weight("identity")
    }
    assert found == sorted(found, key=lambda name: -weight(name))


def test_where_the_field_is_in_a_head() -> None:
    head = b"GET / HTTP/1.1\r\nX-Accept-Encoding: a\r\naccept-ENCODING:  gzip\r\n"
    assert accepted(head + b"\r\n") == b"gzip"
    assert accepted(head + b"Accept-Encoding: br\r\n\r\n") == b"gzip,br"
    assert accepted(b"GET / HTTP/1.1\r\n\r\n") == b""
