"""Conditional requests, against a model that is written another way."""

from __future__ import annotations

from email.utils import formatdate, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.content.static.representations import conditions
from fivefold.content.static.representations.conditions import (
    FAILED,
    NOT_MODIFIED,
    TAG,
    names,
    outcome,
    seconds_of,
    still_valid,
)

ETAG = b'"abc-1"'
NOW = 1_700_000_000


def date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()


@pytest.mark.parametrize(
    ("tags", "weakly", "strongly"),
    [
        (b"*", True, True),
        (ETAG, True, True),
        (b"W/" + ETAG, True, False),
        (b'"x", ' + ETAG, True, True),
        (b' ,\t"x" ,,W/"y", W/"abc-1"', True, False),
        (b'"x"', False, False),
        (b"abc-1", False, False),
        (b'"abc-1', False, False),
        (b'"x" "abc-1"', False, False),
        (b"", False, False),
        (b'w/"abc-1"', False, False),
    ],
)
def test_lists_of_tags(tags: bytes, *, weakly: bool, strongly: bool) -> None:
    assert names(tags, ETAG, weakly=True) is weakly
    assert names(tags, ETAG, weakly=False) is strongly


@pytest.mark.parametrize(
    "text",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
    ],
)
def test_the_three_forms_of_a_date(text: bytes) -> None:
    assert seconds_of(text) == 784_111_777


@pytest.mark.parametrize("between", [b",", b" ,", b",\t "])
def test_nothing_between_commas_costs_no_step(
    between: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step for each would be 14 ms of everybody's time for a field of 32 KB."""
    steps: list[int] = []

    class Counting:
        def match(self, tags: bytes, at: int) -> object:
            steps.append(at)
            return TAG.match(tags, at)

    monkeypatch.setattr(conditions, "TAG", Counting())
    much = between * 10_000
    assert names(much + ETAG + much, ETAG, weakly=True)
    assert not names(much + b"W/" + ETAG + much, ETAG, weakly=False)
    assert not names(much + b'"other"' + much, ETAG, weakly=True)
    assert len(steps) <= 4


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"yesterday", b"Sun, 06 Nov 1994 08:49:37 CET", b"\xff", b"0"),
        # These look like dates, and are none: no condition, and never 304.
        *(b"Sun, 99 Nov 9999 99:49:37 GMT", b"Sun, 00 Nov 2033 08:49:37 GMT"),
        *(b"Sun, 31 Nov 2033 08:49:37 GMT", b"Sun, 29 Feb 2033 08:49:37 GMT"),
        *(b"Sun, 06 Nov 2033 24:00:00 GMT", b"Sun, 06 Nov 2033 08:60:00 GMT"),
        *(b"Sunday, 99-Nov-33 08:49:37 GMT", b"Sun Nov 99 08:49:37 2033"),
        *(b"Sun, 06 Xyz 2033 08:49:37 GMT", b"Sun, 06 Nov 2033 08:49:99 GMT"),
    ],
)
def test_what_is_no_date(text: bytes) -> None:
    assert seconds_of(text) is None


@given(st.integers(0, 2**32))
def test_dates_come_back(seconds: int) -> None:
    assert seconds_of(date(seconds)) == seconds
    assert parsedate_to_datetime(date(seconds).decode()).timestamp() == seconds


TAGS = st.sampled_from([None, b"*", ETAG, b"W/" + ETAG, b'"other"', b'"other", W/"abc-1"', b"junk"])
DATES = st.sampled_from([None, NOW - 1, NOW, NOW + 1, b"junk"])


@given(TAGS, DATES, TAGS, DATES)
def test_the_order_of_precedence(
    match: bytes | None,
    unmodified: int | bytes | None,
    none_match: bytes | None,
    modified: int | bytes | None,
) -> None:
    """RFC 9110, section 13.2.2, step by step."""
    tags = {b"if-match": match, b"if-none-match": none_match}
    fields = {name: value for name, value in tags.items() if value is not None}
    for name, when in ((b"if-unmodified-since", unmodified), (b"if-modified-since", modified)):
        if when is not None:
            fields[name] = date(when) if isinstance(when, int) else when

    def expected() -> int | None:
        if match is not None and match not in (b"*", ETAG):
            return FAILED
        if match is None and isinstance(unmodified, int) and unmodified < NOW:
            return FAILED
        if none_match is not None:
            return NOT_MODIFIED if none_match == b"*" or b'"abc-1"' in none_match else None
        return NOT_MODIFIED if isinstance(modified, int) and modified >= NOW else None

    assert outcome(fields, ETAG, NOW) == expected()


@pytest.mark.parametrize(
    ("condition", "valid"),
    [
        (None, True),
        (ETAG, True),
        (b"W/" + ETAG, False),
        (b'"other"', False),
        (date(NOW), True),
        (date(NOW + 1), False),
        (date(NOW - 1), False),
        (b"junk", False),
    ],
)
def test_if_range(condition: bytes | None, *, valid: bool) -> None:
    assert still_valid(condition, ETAG, NOW) is valid
