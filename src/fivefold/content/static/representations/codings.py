"""Content codings: which of them a client takes (RFC 9110, section 12.5.3)."""

from __future__ import annotations

import re
from functools import lru_cache

SUFFIXES = {b"br": b".br", b"zstd": b".zst", b"gzip": b".gz"}
"""Codings, and how a file beside the original is called that has it. In the order in which
they are taken if the client has no preference: the smallest result first."""

IDENTITY = b"identity"

NAMES = {b"x-gzip": b"gzip"}
"""Old names (RFC 9110, section 8.4.1.3)."""

REMEMBERED_BYTES = 256
"""The longest value of Accept-Encoding whose meaning is remembered; a browser's has 25."""

LONGEST_BYTES = 4096
"""A longer value is not read, which would take 15 ms for one of 32 KB: the file as it is suits
every client that has not refused it, and no browser says so much."""

FIELD = re.compile(rb"\r\n(?i:accept-encoding):[ \t]*([^\r]*)")

ELEMENT = re.compile(
    rb"[ \t]*([!#$%&'*+.^_`|~0-9A-Za-z/-]+)[ \t]*"
    rb"(?:;[ \t]*(?i:q)=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)[ \t]*)?"
)
"""One element of a list with weights (RFC 9110, section 12.4.2)."""


def accepted(head: bytes) -> bytes:
    """The value of Accept-Encoding in a request head; empty where there is none."""
    found: list[bytes] = FIELD.findall(head)
    return found[0] if len(found) == 1 else b",".join(found)


def weights(field: bytes) -> dict[bytes, float]:
    """Lower-case names with their weights; malformed elements are left out."""
    found: dict[bytes, float] = {}
    for text in field.split(b","):
        element = ELEMENT.fullmatch(text)
        if element is not None:
            name = element[1].lower()
            found[NAMES.get(name, name)] = float(element[2] or 1)
    return found


def preferred(field: bytes) -> tuple[bytes, ...]:
    """The codings worth looking for, the best first: what the client takes, and not less
    gladly than the file as it is."""
    if len(field) > LONGEST_BYTES:
        return ()
    return ranked(field) if len(field) > REMEMBERED_BYTES else remembered(field)


def ranked(field: bytes) -> tuple[bytes, ...]:
    given = weights(field)
    others = given.get(b"*", 0.0)
    plain = given.get(IDENTITY, 0.0)
    found = [(given.get(coding, others), coding) for coding in SUFFIXES]
    taken = [(weight, coding) for weight, coding in found if weight > 0 and weight >= plain]
    taken.sort(key=lambda pair: -pair[0])  # stable: equal weights keep our order
    return tuple(coding for _, coding in taken)


remembered = lru_cache(512)(ranked)
