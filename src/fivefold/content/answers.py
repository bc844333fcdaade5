"""From a file and a request to the bytes of a response, or to what is to be sent of the file."""

from __future__ import annotations

from functools import partial

from ..http1.connection import Ready
from ..http1.request import Request
from ..http1.response import DateField, Fields, FilePart, Response, plain, serialized
from .byte_ranges import ByteRanges
from .conditions import NOT_MODIFIED
from .file_cache import Answer, Entry, FileCache
from .ranges import Range
from .selection import Selection, select

ANSWERS = 64
"""Of one file, to conditional requests and for ranges, in one second."""

PARTIAL = 206


class Answers:
    """The answers of one folder."""

    def __init__(self, cache: FileCache, always: Fields) -> None:
        """`always`: fields that refusals have, too."""
        self._cache = cache
        self._always = always
        self._date = DateField()

    def freshen(self, entry: Entry, now: float) -> None:
        """Make it ready for the plain requests of this second."""
        entry.dated(b"%b%b\r\n" % (entry.lines, self._date.at(now)))
        entry.answers.clear()
        entry.fresh_until = self._date.until

    def again(self, request: Request, entry: Entry, now: float) -> Ready | None:
        """What this request was answered with in this second: 304, or a part of the file."""
        answer = entry.answers.get(request)
        if answer is None:
            answer = self._remembered(request, entry, now)
        if answer is None or isinstance(answer, bytes):
            return answer
        head, offset, count = answer
        return (head, self.part(entry, (offset, count))) if self._cache.hold(entry) else None

    def _remembered(self, request: Request, entry: Entry, now: float) -> Answer | None:
        """None for what is not asked often enough to be kept."""
        if entry.weak and b"range" in request.obeyed:
            return None  # there is another entry for that
        chosen = select(request, entry)
        if chosen.status not in (NOT_MODIFIED, PARTIAL) or len(chosen.ranges) > 1:
            return None
        answer = ready_made(chosen, entry, self._date.at(now))
        if len(entry.answers) >= ANSWERS:
            entry.answers.clear()
        entry.answers[request] = answer
        return answer

    def to(self, request: Request, entry: Entry) -> Response | ByteRanges:
        """The answer to this request; takes over the caller's use of the entry."""
        chosen = select(request, entry)
        if len(chosen.ranges) > 1:
            kind, *others = entry.fields
            release = partial(self._cache.drop, entry)
            return ByteRanges(entry, kind[1], others, chosen.ranges, release)
        if chosen.ranges:
            return self.slice(chosen.status, chosen.fields, entry, chosen.ranges[0])
        self._cache.drop(entry)
        if chosen.status == NOT_MODIFIED:
            return Response(NOT_MODIFIED, chosen.fields)
        # The validators come with all that is always said.
        always = [] if chosen.fields is entry.validators else self._always
        return plain(chosen.status, fields=[*chosen.fields, *always])

    def slice(self, status: int, fields: Fields, entry: Entry, part: Range) -> Response:
        """Takes over the caller's use of the entry."""
        if not entry.in_memory:
            return Response(status, fields, self.part(entry, part))
        self._cache.drop(entry)
        return Response(status, fields, entry.content(*part))

    def part(self, entry: Entry, part: Range) -> FilePart:
        offset, count = part
        release = partial(self._cache.drop, entry)
        return FilePart(entry.file, offset, count, release, entry.check)


def ready_made(chosen: Selection, entry: Entry, date: bytes) -> Answer:
    if not chosen.ranges:
        return serialized(NOT_MODIFIED, chosen.fields, date)
    offset, count = chosen.ranges[0]
    fields = [*chosen.fields, (b"Content-Length", b"%d" % count)]
    head = serialized(PARTIAL, fields, date)
    if not entry.in_memory:
        return head, offset, count
    return head + entry.content(offset, count)
