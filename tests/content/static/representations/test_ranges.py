"""Ranges, against a model that marks every byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.content.static.representations.ranges import SEVERAL, asked_for, content_range


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"bytes=0-0", [(0, 1)]),
        (b"bytes=0-", [(0, 10)]),
        (b"BYTES=2-4", [(2, 3)]),
        (b"bytes=-3", [(7, 3)]),
        (b"bytes=-30", [(0, 10)]),
        (b"bytes=9-99", [(9, 1)]),
        (b"bytes=10-", []),
        (b"bytes=-0", []),
        (b"bytes=0-0,-1", [(0, 1), (9, 1)]),
        (b"bytes=-1 ,, 0-0", [(9, 1), (0, 1)]),
        (b"bytes=0-4,5-9", [(0, 10)]),
        (b"bytes=3-5,0-4", [(0, 6)]),
        (b"bytes=99-,1-1", [(1, 1)]),
        (b"bytes=5-4", None),
        (b"bytes=a-b", None),
        (b"bytes=-", None),
        (b"bytes=1--2", None),
        (b"bytes=", None),
        (b"bytes 0-1", None),
        (b"items=0-1", None),
        (b"bytes=0-1;", None),
        (b"bytes=" + b"9" * 20 + b"-", None),
        (b"bytes=" + b",".join([b"0-0"] * (SEVERAL + 1)), None),
    ],
)
def test_fields(field: bytes, expected: list[tuple[int, int]] | None) -> None:
    assert asked_for(field, 10) == expected


def test_an_empty_file_has_no_ranges() -> None:
    assert asked_for(b"bytes=0-", 0) is None


NUMBERS = st.none() | st.integers(0, 40)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8), st.integers(1, 30))
def test_exactly_the_bytes_that_were_asked_for(
    specs: list[tuple[int | None, int | None]], size: int
) -> None:
    texts = [f"{'' if a is None else a}-{'' if b is None else b}" for a, b in specs]
    found = asked_for(b"bytes=" + ",".join(texts).encode(), size)
    malformed = any(
        (a is None and b is None) or (a is not None and b is not None and b < a) for a, b in specs
    )
    if malformed:
        assert found is None
        return
    wanted: set[int] = set()
    for first, last in specs:
        if first is None:
            assert last is not None
            wanted |= set(range(max(0, size - last), size))
        else:
            wanted |= set(range(first, size if last is None else min(size, last + 1)))
    assert found is not None
    got = [at for offset, count in found for at in range(offset, offset + count)]
    assert set(got) == wanted
    assert len(got) == len(wanted), "no byte is sent twice"


def test_the_fields_of_a_range() -> None:
    assert content_range((2, 3), 10) == b"bytes 2-4/10"
