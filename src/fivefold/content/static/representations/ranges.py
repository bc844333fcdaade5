"""Ranges: parts of a file (RFC 9110, section 14).

A field that is malformed, of another unit or asks for too much is ignored, as if it were not
there; one that nothing can be sent for is refused with 416.  Time and memory are linear in
the field, and no request gets more bytes than the file has.
"""

from __future__ import annotations

import re

SEVERAL = 64
"""Ranges in one request; a client that wants more gets the whole file."""

FIELD = re.compile(rb"(?i:bytes)=([0-9, \t-]+)")
ONE = re.compile(rb"(\d{0,19})-(\d{0,19})")
"""Digits enough for 2^63, and few enough that a number costs nothing to read."""

Range = tuple[int, int]
"""Offset and count of bytes; the count is at least 1."""


def asked_for(field: bytes, size: int) -> list[Range] | None:
    """The ranges of a file of `size` bytes; none: 416; None: the field is to be ignored."""
    match = FIELD.fullmatch(field)
    if match is None or not size or match[1].count(b",") >= SEVERAL:
        return None
    found: list[Range] = []
    for text in match[1].split(b","):
        text = text.strip(b" \t")  # noqa: PLW2901 - what is around it is of no further use
        if not text:
            continue
        one = ONE.fullmatch(text)
        if one is None or text == b"-":
            return None
        first, last = one.groups()
        if first and last and int(last) < int(first):
            return None
        kept = satisfied(first, last, size)
        if kept is not None:
            found.append(kept)
    return coalesced(found)


def satisfied(first: bytes, last: bytes, size: int) -> Range | None:
    """What there is of one range."""
    if not first:  # so many bytes at the end
        count = min(int(last), size)
        return (size - count, count) if count else None
    offset = int(first)
    if offset >= size:
        return None
    end = min(int(last) + 1, size) if last else size
    return offset, end - offset


def coalesced(ranges: list[Range]) -> list[Range]:
    """Ranges that overlap or touch as one, in order; others as they were asked for."""
    merged: list[Range] = []
    for offset, count in sorted(ranges):
        if merged and offset <= sum(merged[-1]):
            start, length = merged[-1]
            merged[-1] = start, max(length, offset + count - start)
        else:
            merged.append((offset, count))
    return ranges if len(merged) == len(ranges) else merged


def content_range(one: Range, size: int) -> bytes:
    offset, count = one
    return b"bytes %d-%d/%d" % (offset, offset + count - 1, size)
