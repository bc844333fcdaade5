"""From a file and a request to the bytes of a response, or to what is to be sent of the file."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ...http1.answer import Answer, HeadAndFile, Whole
from ...http1.exchange import Exchange
from ...http1.request import Request
from ...http1.response import DateField, Fields, FilePart, Response, ResponseHead, joined, plain
from .files.entry import Entry, Kept
from .representations.conditions import NOT_MODIFIED, outcome, still_valid
from .representations.ranges import Range, asked_for, content_range

MOST_BYTES = 4_194_304
"""Of all answers to conditional requests and for ranges of one second. Then all are forgotten,
as they are when the second ends, because each has its Date in it."""

REQUEST_BYTES = 1024
"""What a request holds besides the fields that say what of a file is wanted; and the longest
of these."""

PARTIAL = 206

BOUNDARY = os.urandom(12).hex().encode()
"""Of this process; no writer of a file can have known it."""

END = b"\r\n--%b--\r\n" % BOUNDARY
KIND = b"multipart/byteranges; boundary=" + BOUNDARY


@dataclass(slots=True)
class Selection:
    """A status, its fields, and the ranges of the file that follow."""

    status: int
    fields: Fields
    ranges: list[Range]
    """More than one go as multipart/byteranges; none: there is nothing of the file in it."""


class FileResponses:
    """The responses of one folder's files."""

    def __init__(self, always: Fields) -> None:
        """`always`: fields that refusals have, too."""
        self._always = always
        self._date = DateField()
        self._with_answers: list[Entry] = []
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
        until = self.second_of(now)
        entry.with_date(self._date.at(now), until)

    def again(self, request: Request, entry: Entry, now: float) -> Answer | None:
        """What this request was answered with in this second: 304, or a part of the file."""
        answer = entry.answers.get(request)
        if answer is None:
            answer = self._remembered(request, entry, now)
        if answer is None or isinstance(answer, Whole):
            return answer
        head, as_http1, offset, count = answer
        if not entry.hold():
            return None
        return HeadAndFile(head, entry.file_part(offset, count), as_http1)

    def _remembered(self, request: Request, entry: Entry, now: float) -> Kept | None:
        """None for what is not asked often enough to be kept."""
        if not entry.ranged and b"range" in request.obeyed:
            return None  # there is another entry for that
        chosen = select(request, entry)
        if chosen.status not in (NOT_MODIFIED, PARTIAL) or len(chosen.ranges) > 1:
            return None
        answer = ready_made(chosen, entry, self._date.at(now))
        self._hold(entry, request, answer)
        return answer

    def _hold(self, entry: Entry, request: Request, answer: Kept) -> None:
        asked = sum(map(len, request.obeyed.values()))
        if asked > REQUEST_BYTES:
            return  # `http1.head.parser` does not either: it never comes again
        head, out = (answer.head, answer.as_http1) if isinstance(answer, Whole) else answer[:2]
        size = REQUEST_BYTES + asked + len(head.lines) + len(out)
        if self._bytes + size > MOST_BYTES:
            self._forget()
        self._bytes += size
        if not entry.answers:
            self._with_answers.append(entry)
        entry.add_answer(request, answer)

    def _forget(self) -> None:
        entries, self._with_answers, self._bytes = self._with_answers, [], 0
        for entry in entries:
            entry.forget_answers()

    def to(self, request: Request, entry: Entry, now: float) -> Response | ByteRanges:
        """The answer to this request; takes over the caller's hold of the entry, which is fresh
        from then on."""
        try:
            until = self.second_of(now)
            chosen = select(request, entry)
            entry.with_date(self._date.line, until)
        except BaseException:
            entry.drop()
            raise
        if len(chosen.ranges) > 1:
            return ByteRanges(entry, chosen.ranges)
        if chosen.ranges:
            return Response(chosen.status, chosen.fields, entry.part(*chosen.ranges[0]))
        entry.drop()
        if chosen.status == NOT_MODIFIED:
            return Response(NOT_MODIFIED, chosen.fields)
        # The validators come with all that is always said.
        always = [] if chosen.fields is entry.fields_of_304 else self._always
        return plain(chosen.status, fields=[*chosen.fields, *always])


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
        return Selection(PARTIAL, entry.fields, ranges)
    part = (b"Content-Range", content_range(ranges[0], entry.size))
    return Selection(PARTIAL, [*entry.fields, part], ranges)


def ready_made(chosen: Selection, entry: Entry, date: bytes) -> Kept:
    if not chosen.ranges:
        head = ResponseHead(NOT_MODIFIED, chosen.fields)
        return Whole.made(head, joined(head, b"", date))
    offset, count = chosen.ranges[0]
    head = ResponseHead(PARTIAL, chosen.fields, count)
    if not entry.in_memory:
        return head, joined(head, b"", date), offset, count
    return Whole.made(head, joined(head, entry.content(offset, count), date))


@dataclass
class ByteRanges:
    """Several ranges in one response (RFC 9110, section 14.6: multipart/byteranges), of an entry
    that is held for it until `close` is called."""

    entry: Entry
    ranges: list[Range]

    def close(self) -> None:
        self.entry.drop()

    async def answer(self, exchange: Exchange) -> None:
        openings = [self._opening(one) for one in self.ranges]
        length = sum(map(len, openings)) + sum(count for _, count in self.ranges) + len(END)
        fields = [(b"Content-Type", KIND), *self.entry.fields[1:]]
        exchange.start(ResponseHead(PARTIAL, fields, length))
        for opening, one in zip(openings, self.ranges, strict=True):
            await exchange.write(opening, more=True)
            await self._send(exchange, *one)
        if not self.entry.in_memory:
            self.entry.check()
        await exchange.write(END, more=False)

    def _opening(self, one: Range) -> bytes:
        return b"\r\n--%b\r\nContent-Type: %b\r\nContent-Range: %b\r\n\r\n" % (
            BOUNDARY,
            self.entry.metadata.media_type,
            content_range(one, self.entry.size),
        )

    async def _send(self, exchange: Exchange, offset: int, count: int) -> None:
        if self.entry.in_memory:
            await exchange.write(self.entry.content(offset, count), more=True)
        else:
            part = FilePart(self.entry.file, offset, count, lambda: None)
            await exchange.send_file(part, more=True)
