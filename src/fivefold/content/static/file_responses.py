"""From a file and a request to the bytes of a response, or to what is to be sent of the file."""

from __future__ import annotations

from functools import partial

from ...http1.connection import Ready
from ...http1.request import Request
from ...http1.response import DateField, Fields, FilePart, Response, plain, serialized
from .files.entry import Answer, Entry
from .files.file_cache import FileCache
from .representations.conditions import NOT_MODIFIED
from .representations.multipart import ByteRanges
from .representations.ranges import Range
from .representations.selection import Selection, select

MOST_BYTES = 4_194_304
"""Of all answers to conditional requests and for ranges of one second. Then all are forgotten,
as they are when the second ends, because each has its Date in it."""

REQUEST_BYTES = 1024
"""What a request holds besides the fields that say what of a file is wanted; and the longest
of these."""

PARTIAL = 206


class FileResponses:
    """The answers of one folder."""

    def __init__(self, cache: FileCache, always: Fields) -> None:
        """`always`: fields that refusals have, too."""
        self._cache = cache
        self._always = always
        self._date = DateField()
        self._holding: list[Entry] = []
        """Entries that have answers of this second."""
        self._until = 0.0
        self._bytes = 0

    def second_of(self, now: float) -> float:
        """Until when, in monotonic seconds, what is fresh now stays so."""
        self._date.at(now)
        if self._until != self._date.until:
            self._until = self._date.until
            self._forget()
        return self._until

    def freshen(self, entry: Entry, now: float) -> None:
        """Make it ready for the requests of this second."""
        self.second_of(now)
        entry.dated(b"%b%b\r\n" % (entry.lines, self._date.at(now)))
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
        if not entry.ranged and b"range" in request.obeyed:
            return None  # there is another entry for that
        chosen = select(request, entry)
        if chosen.status not in (NOT_MODIFIED, PARTIAL) or len(chosen.ranges) > 1:
            return None
        answer = ready_made(chosen, entry, self._date.at(now))
        self._hold(entry, request, answer)
        return answer

    def _hold(self, entry: Entry, request: Request, answer: Answer) -> None:
        asked = sum(map(len, request.obeyed.values()))
        if asked > REQUEST_BYTES:
            return  # `http1.request` does not remember it either: it never comes again
        size = REQUEST_BYTES + asked + len(answer if isinstance(answer, bytes) else answer[0])
        if self._bytes + size > MOST_BYTES:
            self._forget()
        self._bytes += size
        if not entry.answers:
            self._holding.append(entry)
        entry.answers[request] = answer

    def _forget(self) -> None:
        holding, self._holding, self._bytes = self._holding, [], 0
        for entry in holding:
            entry.answers.clear()

    def to(self, request: Request, entry: Entry) -> Response | ByteRanges:
        """The answer to this request; takes over the caller's use of the entry."""
        try:
            chosen = select(request, entry)
        except BaseException:
            self._cache.drop(entry)
            raise
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
        self._cache.drop(entry)  # what is in memory stays as long as it is referred to
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
