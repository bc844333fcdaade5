"""What is sent of one file, as the file was when it was opened.

An entry is complete when it is made: status, fields and body are data, for any version of HTTP.
The bytes of HTTP/1.1 are made from them once a second, since `Date` is among them (`with_date`).

Changes.      No code changes an entry but by its methods, and they change what belongs to the
              second (`as_http1`, `answers`, `fresh_until`), and `not_smaller`, which only grows.
Holders.      Of a large file, which is open (`OpenFile`): the cache for as long as it keeps the
              entry, each response until it is sent.  What returns an entry holds it for its
              caller, who calls `drop`, or hands it on: to `FileResponses.to`, to `part`.
Gain.         `body` is a view of the end of `as_http1`: the content is in memory once.
Assumption.   Several threads may put a new `as_http1` in place at once: each has the same content
              at its end, and `body` is good whichever it belongs to.
"""

from __future__ import annotations

from ....errors import FileChanged
from ....http1.answer import Whole
from ....http1.response import FilePart, ResponseHead, joined
from ....http1.stream import HttpConnection
from ..policy import FileMetadata
from ..representations.precompressed import Siblings
from ..representations.validators import Validators
from .open_file import OpenFile

ENTRY_BYTES = 4096
"""Of an entry besides its content: its fields, its heads, its path, all objects counted
(measured: 3.5 KB for a file with the usual fields)."""

Kept = Whole | tuple[ResponseHead, bytes, int, int]
"""All of a response; or its head, as data and in HTTP/1.1, and offset and count of what follows
from a large file."""


class Entry:
    """`file` is open for a large file, the `body` of a small one is `in_memory`. Of a file that
    is offered in several codings there are several entries, told apart by `key`."""

    __slots__ = (
        *("answer", "answers", "as_http1", "body", "coding", "cost", "fields", "fields_of_304"),
        *("file", "fresh_until", "head", "in_memory", "key", "metadata", "not_smaller", "origin"),
        *("path", "ranged", "siblings", "size", "validators", "varies"),
    )

    def __init__(
        self,
        key: bytes,
        origin: OpenFile,
        content: bytes | None,
        validators: Validators,
        metadata: FileMetadata,
        *,
        coding: bytes = b"",
        varies: bool,
        ranged: bool = True,
        siblings: Siblings | None = None,
    ) -> None:
        """Held for the caller. `content` is what is sent; without it all of `origin`, which is
        held, too. `validators` and `metadata` are what is said of it, `coding` is another one
        than that of the file."""
        # What it is of.
        self.key, self.path = key, origin.path
        self.origin = origin
        self.validators = validators
        self.metadata = metadata
        self.siblings = siblings
        """What lay by the side of the file; None where that does not matter."""
        self.coding = coding or metadata.coding
        """The content coding of what is sent; empty for the file as it is."""
        self.varies = varies
        """Whether other clients may get another coding."""
        self.ranged = ranged
        """Whether the same bytes can be promised again: not of what is compressed on the fly."""

        # What is sent.
        self.in_memory = content is not None
        self.file = None if self.in_memory else origin
        self.body = memoryview(content or b"")
        self.size = origin.size if content is None else len(content)
        self.fields_of_304 = [(b"ETag", validators.etag), *metadata.lasting]
        if validators.last_modified:
            self.fields_of_304.insert(0, (b"Last-Modified", validators.last_modified))
        kind = [(b"Content-Type", metadata.media_type)]
        if self.coding:
            kind.append((b"Content-Encoding", self.coding))
        if varies:
            self.fields_of_304.append((b"Vary", b"Accept-Encoding"))
        self.fields = [*kind, *self.fields_of_304]
        """Content-Type first; without Content-Length, which is `size`."""
        if ranged:
            self.fields.append((b"Accept-Ranges", b"bytes"))

        # The same for HTTP/1.1; what has a Date belongs to this second.
        self.head = ResponseHead(200, self.fields, self.size)
        """Of the response to a plain GET."""
        self.as_http1 = b""
        """The response to a plain GET with its Date; of a large file its head."""
        self.answer = Whole.made(self.head, self.as_http1)
        """`as_http1`, for HTTP of any version."""
        self.answers: dict[object, Kept] = {}
        """By request: to conditional requests and for ranges, with their Date."""
        self.fresh_until = 0.0
        """Monotonic seconds until which nothing needs to be checked."""

        # How it is kept.
        self.cost = ENTRY_BYTES + len(self.body)
        self.not_smaller: frozenset[bytes] = frozenset()
        """Codings that would not make it smaller."""
        self.hold()

    def with_date(self, line: bytes, until: float) -> None:
        """Make the bytes of HTTP/1.1 with this `Date` line: fresh for as long as the line is."""
        out = joined(self.head, self.body, line)
        self.body = memoryview(out)[len(out) - len(self.body) :]
        self.as_http1, self.answer = out, Whole.made(self.head, out)
        self.fresh_until = until

    def add_answer(self, request: object, answer: Kept) -> None:
        self.answers[request] = answer

    def forget_answers(self) -> None:
        self.answers.clear()

    def expire(self) -> None:
        """Have it compared with the file system before it is used again."""
        self.fresh_until = 0.0

    def add_not_smaller(self, coding: bytes) -> None:
        self.not_smaller |= {coding}

    async def read(self, conn: HttpConnection) -> bytes:
        """All of the content. Raises OSError, `FileChanged`, `FileShrank`."""
        return bytes(self.body) if self.file is None else await self.file.read(conn)

    def content(self, offset: int, count: int) -> bytes:
        """A part of what is in memory."""
        return bytes(self.body[offset : offset + count])

    def part(self, offset: int, count: int) -> bytes | FilePart:
        """A part of the content as the body of a response; takes over the caller's hold."""
        return self.content(offset, count) if self.in_memory else self.file_part(offset, count)

    def file_part(self, offset: int, count: int) -> FilePart:
        """The same, of a large file."""
        return FilePart(self.file, offset, count, self.drop, self.check)

    def check(self) -> None:
        """Raises `FileChanged` if the open file is no longer what it was when it was opened."""
        try:
            self.origin.check()
        except FileChanged:
            self.expire()
            raise

    def hold(self) -> bool:
        """For one more holder; False if the file was closed meanwhile."""
        return self.file is None or self.file.hold()

    def drop(self) -> None:
        """One holder less."""
        if self.file is not None:
            self.file.drop()

    @property
    def is_used(self) -> bool:
        """Whether it has a holder besides the cache."""
        return self.file is not None and self.file.holders > 1
