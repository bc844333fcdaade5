"""One exchange on a stream: the same to content as one of HTTP/1.1; frames are its framing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from ..errors import FileShrank, PeerGone
from ..http1.exchange import Exchange
from ..http1.request import fields_of
from ..http1.response import BODILESS, FilePart, Response, ResponseHead, head_bytes
from .response_fields import of_lines, response_fields
from .stream import FILE_BYTES, StreamConnection


@contextmanager
def released(part: FilePart) -> Iterator[None]:
    """Whatever happens, from before its head is given to a stream that may have ended."""
    try:
        yield
    finally:
        part.release()


class StreamExchange(Exchange):
    """Raises what `Exchange` raises."""

    conn: StreamConnection

    # Of the class: an `__init__` of its own would call the other one, 0.1 us for each request.
    status = size = 0
    """Of the response, as the access log has them; 0 before it has begun."""
    begun_at = 0.0

    @property
    def _frames(self) -> Any:
        return self.conn.carrier.frames

    async def answer(self, response: Response) -> None:
        self.start(ResponseHead(response.status, response.fields, response.length))
        if isinstance(response.body, FilePart):
            await self.send_file(response.body)
        else:
            await self.write(response.body, more=False)

    async def pass_answer(self, answer: Any) -> None:
        """The whole response, as content had it."""
        if answer.from_memory:
            self._begin_answer(answer)
            await self._send_body(b"" if self.silent else answer.body, end=True)
        else:
            with released(answer.part):
                self._begin_answer(answer)
                await self._send_part(answer.part, end=True)
        self.finished = True

    def _begin_answer(self, answer: Any) -> None:
        if self.conn.adding and answer.as_http1:
            lines = answer.as_http1[: head_bytes(answer.as_http1)]
            self._begin_with(answer.head, of_lines(lines), answer.size)
        else:
            self.start(answer.head)
            self._open(answer.size)

    def as_one_message(self, data: bytes) -> bytes | None:
        """The whole response, given to the frames; there are no bytes for the connection."""
        head, conn = self.head, self.conn
        if self.started or head is None or not head.is_ordinary or conn.gone:
            return None
        size, length = len(data), head.length
        if (length is not None and length != size) or self.request.method == "HEAD":
            return None
        if not conn.has_room(size):
            return None
        now = monotonic()
        fields = response_fields(conn, head, size, self._date, now)
        conn.carrier.frames.respond_whole(conn.number, fields, data)
        self.started = self.finished = True
        self.status, self.begun_at, self.size = head.status, now, size
        return b""

    async def write(self, data: bytes, *, more: bool) -> None:
        if not self.started:
            self._open(None if more else len(data))
        if self._remaining is not None:
            data = self._counted(data)
        if not more:
            self._check_length()
            if self._remaining and not self.silent:
                if data:
                    await self._send_body(data, end=False)
                raise PeerGone("the response is shorter than it said")
        if self.silent:
            data = b""
        if data or not more:
            await self._send_body(data, end=not more)
        else:
            await self.conn.settled()
        self.finished = not more

    async def end(self, trailer_lines: bytes, *, more: bool) -> None:
        if not self.started:
            await self.write(b"", more=True)
        self._trailers += trailer_lines
        if more:
            return
        self._check_length()
        fields = fields_of(b"\r\n%b\r\n" % self._trailers)
        if self.silent or not fields:
            await self._send_body(b"", end=True)
        else:
            self._frames.end_with(self.conn.number, fields)
            await self.conn.settled()
        self.finished = True

    _trailers = b""

    async def send_file(self, part: FilePart, *, more: bool = False) -> None:
        with released(part):
            if not self.started:
                self._open(None if more else part.count)
            count = part.count if self._remaining is None else min(part.count, self._remaining)
            if self._remaining is not None:
                self._remaining -= count
            part.count = count
            whole = not more and not self._remaining
            await self._send_part(part, end=whole)
        if whole:
            self.finished = True
        elif not more:
            await self.write(b"", more=False)

    async def _send_part(self, part: FilePart, *, end: bool) -> None:
        conn = self.conn
        offset, last = part.offset, part.offset + part.count
        if self.silent or offset == last:
            await self._send_body(b"", end=end)
            return
        while offset < last:
            count = min(last - offset, conn.share(FILE_BYTES))
            data = await conn.read_file(part.file, offset, count)
            if not data:
                raise FileShrank(f"{last - offset} bytes are missing")
            offset += len(data)
            if offset == last and part.check is not None:
                part.check()  # before the end is said, which would make it good
            await self._send_body(data, end=end and offset == last)

    async def inform(self, status: int, lines: bytes) -> None:
        if not self.started:
            self.conn.inform(status, fields_of(b"\r\n%b\r\n" % lines))
            await self.conn.settled()

    can_fill = False
    """A client that leaves says so, by a reset of its stream."""

    def adopt(self, begun: Exchange) -> None:
        raise NotImplementedError("a call is not begun before its exchange")

    def take_over(self, status: int) -> None:
        super().take_over(status)
        self.status, self.begun_at = status, monotonic()

    def took(self, data: bytes) -> None:
        self.size += len(data)

    async def _send_body(self, data: bytes | memoryview, *, end: bool) -> None:
        self.conn.allow(self._limits.send_s)
        self.size += len(data)
        await self.conn.send_body(data, end=end)
        self._sent_at = monotonic()

    def _open(self, known_length: int | None) -> None:
        """The head leaves; `known_length` if the next part is the only one."""
        head = self.head
        assert head is not None
        self.silent = self.request.method == "HEAD" or head.status in BODILESS
        length = head.length
        if length is None and not self.silent:
            length = known_length
        fields = response_fields(self.conn, head, length, self._date, monotonic())
        self._begin_with(head, fields, length)

    def _begin_with(self, head: ResponseHead, fields: Any, length: int | None) -> None:
        self.conn.respond(fields, head.status)
        self.head = head
        self.silent = self.request.method == "HEAD" or head.status in BODILESS
        if not self.silent:
            self._remaining = length
        self.started = True
        self.status, self.begun_at = head.status, monotonic()
