"""What of a file answers a request: all of it, a part, or the word that nothing has changed."""

from __future__ import annotations

from dataclasses import dataclass

from ....http1.request import Request
from ....http1.response import Fields
from ..files.entry import Entry
from .conditions import outcome, still_valid
from .ranges import Range, asked_for, content_range


@dataclass(slots=True)
class Selection:
    """A status, its fields, and the ranges of the file that follow."""

    status: int
    fields: Fields
    ranges: list[Range]
    """More than one go as multipart/byteranges; none: there is nothing of the file in it."""


def select(request: Request, entry: Entry) -> Selection:
    """By the conditions first, then by the range (RFC 9110, section 13.2.2)."""
    known = entry.validators
    status = outcome(request.obeyed, known.etag, known.modified_s)
    if status is not None:
        return Selection(status, entry.fields_of_304, [])
    field = request.obeyed.get(b"range") if request.method == "GET" else None
    whole = Selection(entry.head.status, entry.fields, [(0, entry.size)])
    condition = request.obeyed.get(b"if-range")
    if field is None or not still_valid(condition, known.etag, known.strongly_modified_s):
        return whole
    ranges = asked_for(field, entry.size)
    if ranges is None or (len(ranges) > 1 and entry.coding):
        # Content-Encoding would be read as that of the multipart body around the ranges.
        return whole
    if not ranges:
        return Selection(416, [(b"Content-Range", b"bytes */%d" % entry.size)], [])
    if len(ranges) > 1:
        return Selection(206, entry.fields, ranges)
    part = (b"Content-Range", content_range(ranges[0], entry.size))
    return Selection(206, [*entry.fields, part], ranges)
