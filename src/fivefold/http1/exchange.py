"""One exchange: a request, and its response as it is written.

Content is given an `Exchange` and answers through it: with `answer` when it has the whole
response, or with `start`, `write` ... when the response comes in parts.  Framing, `Date`
and the fate of the connection are decided here, at the moment when the head leaves,
because only then it is known whether the first part is the last.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from ..errors import DeadlineExceeded, FileChanged, PeerGone
from ..isolation.reporting import logger
from .escaping import as_text
from .exchange_state import ExchangeState
from .response import (
    BODILESS,
    CLOSE,
    NOT_MODIFIED,
    STATUS_LINES,
    FilePart,
    Response,
    ResponseHead,
    joined,
    leaving,
    serialized,
)

log = logger("fivefold.http")

OVER = (PeerGone, DeadlineExceeded, FileChanged, GeneratorExit)
"""What ends a connection without an answer: no client would take one; GeneratorExit is how an I/O
model that closes ends a coroutine."""

CHUNKED = b"Transfer-Encoding: chunked\r\n"
LAST_CHUNK = b"0\r\n\r\n"
LEADING_ZERO = b"0"


class Exchange(ExchangeState):
    """One request and its response on a connection.

    Raises (everything that sends): `PeerGone`, `DeadlineExceeded`.
    """

    async def answer(self, response: Response) -> None:
        """The whole response, once."""
        self.started = self.finished = True
        conn, request = self.conn, self.request
        self._settle_keep()
        now = monotonic()
        conn.wait_until(now + self._limits.send_s)
        fields = response.fields
        if response.status not in BODILESS:
            fields = [*fields, (b"Content-Length", b"%d" % response.length)]
        date = self._date.at(now)
        head = serialized(response.status, fields, date, persistence=self._persistence())
        head = leaving(conn, head)
        body = response.body
        if not isinstance(body, FilePart):
            await conn.send(head if request.method == "HEAD" else head + body)
        elif request.method == "HEAD":
            body.release()
            await conn.send(head)
        else:
            await body.send(conn, head)

    async def pass_answer(self, answer: Any) -> None:
        """The whole response, as content had it: an `answer.Whole`, or a head and its file."""
        date = self.pass_on(answer.head.status, answer.size)
        await answer.send(self.conn, date, keep=self.keep)

    def pass_on(self, status: int, size: int) -> bytes:
        """The whole response leaves now; the `Date` line for it."""
        self.started = self.finished = True
        now = monotonic()
        self.conn.wait_until(now + self._limits.send_s)
        return self._date.at(now)

    def take_over(self, status: int) -> None:
        """From now on content speaks to the connection itself; it begins with this status."""
        self.started = True

    def took(self, data: bytes) -> None:
        """What content then has sent."""

    def adopt(self, begun: Exchange) -> None:
        """Go on with a response to the same request that another exchange has begun."""
        vars(self).update(vars(begun), beyond=self.beyond)

    def start(self, head: ResponseHead) -> None:
        """Fix status and fields; may be called again until the first part has left."""
        assert not self.started
        self.head = head

    def as_one_message(self, data: bytes) -> bytes | None:
        """The whole response as bytes to send at once, in the usual case; otherwise None.

        The caller must send the bytes: the response counts as finished.
        """
        head, request = self.head, self.request
        usual = not self.started and self.body is None and self.keep and not self.conn.closing
        if not usual or head is None or not head.is_ordinary or not request.minor:
            return None
        if request.method == "HEAD" or (head.length is not None and head.length != len(data)):
            return None
        now = monotonic()
        out = joined(head, data, self._date.at(now))
        if self.conn.adding:
            out = leaving(self.conn, out)
        self.started = self.finished = True
        self.conn.wait_until(now + self._limits.send_s)
        return out

    async def write(self, data: bytes, *, more: bool) -> None:
        """The next part of the body; with `more` false the last one.

        What exceeds a declared length is dropped, what is missing ends the connection:
        either way the client can tell, and the next response cannot be mistaken for it.
        """
        # Head and first part leave together: one call of the system, one segment.
        out = b"" if self.started else self._opening(None if more else len(data))
        if self._remaining is not None:
            data = self._counted(data)
        if data and not self.silent:  # a chunk of no bytes is the last (RFC 9112, section 7.1)
            out += b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data
        if not more:
            self._check_length()
            if self._chunked and not self.silent:
                out += LAST_CHUNK
        if out:
            await self._send(out)
        if not more:
            self.finished = True

    async def end(self, trailer_lines: bytes, *, more: bool) -> None:
        """Trailer fields after the last part; they can only be sent behind chunks."""
        if not self.started:
            await self.write(b"", more=True)  # the head leaves chunked, so that they fit
        if self._chunked and not self.silent:
            # The last chunk, the fields, an empty line (RFC 9112, section 7.1.2).
            out = trailer_lines if self._trailing else b"0\r\n" + trailer_lines
            self._trailing = True
            await self._send(out if more else out + b"\r\n")
        if not more:
            self._check_length()
        self.finished = not more

    async def send_file(self, part: FilePart, *, more: bool = False) -> None:
        """A range of a file as the next part, by the model's strongest call; releases it."""
        try:
            head = b"" if self.started else self._opening(None if more else part.count)
            count = part.count if self._remaining is None else min(part.count, self._remaining)
            if self.silent or not count:
                if head:
                    await self._send(head)
            else:
                frame = b"%x\r\n" % count if self._chunked else b""
                self.conn.allow(self._limits.send_s)
                sending = self.conn.send_file(head + frame, part.file, part.offset, count)
                await self._unbroken(sending, len(head) + len(frame) + count)
                if self._remaining is not None:
                    self._remaining -= count
                if self._chunked:
                    await self._send(b"\r\n")
        finally:
            part.release()
        if not more:
            await self.write(b"", more=False)

    async def inform(self, status: int, lines: bytes) -> None:
        """An interim response (RFC 9110, section 15.2), e.g. 103 with its field lines."""
        # HTTP/1.0 knows none: its client would take it for the answer (RFC 9110, section 15.2).
        if not self.started and self.request.minor:
            await self._send(STATUS_LINES[status] + lines + b"\r\n")

    async def fill(self) -> None:
        """Send what means nothing, to see whether a client is there that takes it: an interim
        response (RFC 9110, section 15.2.1: a client that did not ask for it discards it), or a zero
        before the size of the next chunk (RFC 9112, section 7.1: 1*HEXDIG)."""
        if not self.started:
            await self.inform(100, b"")
        elif self.can_fill:
            await self._send(LEADING_ZERO)

    async def _send(self, data: bytes) -> None:
        self.conn.allow(self._limits.send_s)
        await self._unbroken(self.conn.send(data), len(data))

    async def _unbroken(self, operation: Any, size: int) -> None:
        """Send `size` bytes of the response; if they do not leave whole, nothing may follow."""
        if self._broken:
            operation.close()
            raise PeerGone("a part of the response was not sent whole")
        try:
            await operation
        except BaseException:
            self._broken = True
            self.keep = False
            raise
        self._sent_at = monotonic()

    def _check_length(self) -> None:
        if self._remaining and not self.silent:
            self.keep = False
            log.error(
                "the response to %s is %d bytes shorter than its Content-Length",
                as_text(self.request.target),
                self._remaining,
            )

    def _counted(self, data: bytes) -> bytes:
        assert self._remaining is not None
        if len(data) > self._remaining:
            if not self.exceeded:
                log.error(
                    "the response to %s is longer than its Content-Length; the rest is dropped",
                    as_text(self.request.target),
                )
            self.exceeded = True
            self.keep = False
            data = data[: self._remaining]
        self._remaining -= len(data)
        return data

    def _opening(self, known_length: int | None) -> bytes:
        """The head, framed; `known_length` if this part is the only one."""
        head = self.head
        assert head is not None
        self.started = True
        self._settle_keep()
        if head.close:
            self.keep = False
        length = head.length if head.length is not None else known_length
        self.silent = self.request.method == "HEAD" or head.status in BODILESS
        framing = b""
        if head.status in BODILESS:
            if head.status == NOT_MODIFIED and head.length is not None:
                # Of the body that a 200 would have had (RFC 9110, section 8.6).
                framing = b"Content-Length: %d\r\n" % head.length
        # For HEAD only what content has said: it may have left the body out by itself.
        elif length is not None and (head.length is not None or not self.silent):
            self._remaining = length
            framing = b"Content-Length: %d\r\n" % length
        elif self.request.minor:
            self._chunked = True
            framing = CHUNKED
        else:
            self.keep = False  # HTTP/1.0 knows no other end
            self.until_close = True
        date = b"" if head.dated else self._date.at(monotonic())
        out = b"".join((head.lines, date, framing, self._persistence(), b"\r\n"))
        return leaving(self.conn, out)

    def _settle_keep(self) -> None:
        if self.conn.closing or (self.body is not None and self.body.awaits_permission):
            # Answered before the body was asked for: it need not come.
            self.keep = False

    def _persistence(self) -> bytes:
        if not self.keep:
            return CLOSE
        # What HTTP/1.0 needs to hear, and HTTP/1.1 means (RFC 9112, section 9.3; appendix C.2.2).
        return b"" if self.request.minor else b"Connection: keep-alive\r\n"
