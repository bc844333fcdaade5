"""Conditional requests: whether the client has the file already (RFC 9110, section 13).

The fields are looked at in the order of section 13.2.2: what the client insists on first
(If-Match, or else If-Unmodified-Since), what it has second (If-None-Match, or else
If-Modified-Since).  A date that cannot be read is no condition.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate
from functools import lru_cache

NOT_MODIFIED, FAILED = 304, 412

TAG = re.compile(rb'[ \t,]*+(?:(W/)?("[\x21\x23-\x7e\x80-\xff]*+")[ \t]*(?:,|$)|$)')
"""One entity tag of a list, and whatever nothing is between the commas before it (RFC 9110, 8.8.3
and 5.6.1.2): a step for each comma would take 14 ms for a field of 32 KB."""

DATE = re.compile(
    r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}"
)
"""The three forms of a date (RFC 9110, section 5.6.7); the first is what servers send."""

LONGEST_DATE = 64
"""Bytes. The longest date is `Wednesday, 09-Nov-94 08:49:37 GMT`; what clients send beyond is
neither read nor remembered."""

ABOUT_A_FILE = frozenset(
    (b"if-match", b"if-unmodified-since", b"if-none-match", b"if-modified-since")
)


def outcome(fields: dict[bytes, bytes], etag: bytes, modified_s: int | None) -> int | None:
    """NOT_MODIFIED, FAILED, or None for an ordinary answer to GET or HEAD.

    `fields` by lower-case name; `modified_s` seconds since 1970; conditions about it are ignored
    where it is not known (sections 13.1.3 and 13.1.4).
    """
    if not ABOUT_A_FILE & fields.keys():
        return None
    wanted = fields.get(b"if-match")
    if wanted is not None:
        if not names(wanted, etag, weakly=False):
            return FAILED
    else:
        latest = date_of(fields.get(b"if-unmodified-since"))
        if latest is not None and modified_s is not None and latest < modified_s:
            return FAILED
    had = fields.get(b"if-none-match")
    if had is not None:
        return NOT_MODIFIED if names(had, etag, weakly=True) else None
    since = date_of(fields.get(b"if-modified-since"))
    if since is None or modified_s is None or since < modified_s:
        return None
    return NOT_MODIFIED


def names(tags: bytes, etag: bytes, *, weakly: bool) -> bool:
    """Whether a list of entity tags names this one; `*` names every one.

    Compared weakly a tag may be marked as weak (RFC 9110, section 8.8.3.2). A list that is
    malformed names nothing from there on.
    """
    if tags == b"*":
        return True
    if etag.startswith(b"W/"):
        if not weakly:
            return False
        etag = etag[2:]
    if etag not in tags:
        return False  # however many others there are
    at = 0
    while at < len(tags) and (tag := TAG.match(tags, at)):
        if tag[2] == etag and (weakly or not tag[1]):
            return True
        at = tag.end()
    return False


def still_valid(condition: bytes | None, etag: bytes, modified_s: int | None) -> bool:
    """Whether a range may be sent: If-Range names what we have, strongly (section 13.1.5).

    `modified_s` is None where a date cannot tell two versions apart.
    """
    if condition is None:
        return True
    if condition.startswith((b'"', b"W/")):
        return condition == etag and not etag.startswith(b"W/")
    return modified_s is not None and date_of(condition) == modified_s


def date_of(text: bytes | None) -> int | None:
    """Seconds since 1970; None for what is no HTTP date."""
    return None if text is None or len(text) > LONGEST_DATE else seconds_of(text)


@lru_cache(1024)
def seconds_of(text: bytes) -> int | None:
    """The same; remembered, so it must be short."""
    try:
        plain = text.decode("ascii")
    except UnicodeDecodeError:
        return None
    found = parsedate(plain) if DATE.fullmatch(plain) else None
    if found is None:
        return None
    try:
        return int(datetime(*found[:6], tzinfo=UTC).timestamp())
    except ValueError:
        return None  # there is no such day or hour: `99 Nov` is no date of another month
