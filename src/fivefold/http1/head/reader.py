"""Finding where a head ends in what a connection delivers, and having it parsed once.

The short way takes a receive that is exactly one request, which is nearly every one.
The long way collects a head from many receives, or splits one off several.
"""

from __future__ import annotations

import re

from ...errors import DeadlineExceeded, PeerGone, ProtocolError
from ..bounded import Bounded
from ..limits import Limits
from ..request import Request
from ..stream import Stream
from .parser import REMEMBERED_BYTES, HeadParser

HEADS_BYTES = 16_777_216
"""Of heads known by their bytes: what llhttp accepted once it accepts again."""

REQUESTS_BYTES = 8_388_608
"""Of examined requests, by the lines that they obey."""

SHORT_HEAD_BYTES = 256
"""What comes again byte by byte is short: health checks, programs, load generators. A
browser's head rarely does, and hashing 600 bytes in vain costs 0.2 us."""

HEAD_START = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+( |$)")
"""A method and a space, or the beginning of it (RFC 9110, section 9.1: a token)."""

BARE_LF = re.compile(rb"(?<!\r)\n")

END = b"\r\n\r\n"


class Memory:
    """What the connections of a worker learn from each other."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.heads: Bounded[bytes, Request] = Bounded(HEADS_BYTES, 2 * SHORT_HEAD_BYTES)
        self.requests: Bounded[bytes, Request] = Bounded(REQUESTS_BYTES, 2 * REMEMBERED_BYTES)
        self.parsers: list[HeadParser] = []
        """Those that no thread uses now: one is at work for microseconds, and takes 1 KiB. A list
        gives each to one thread only."""

    def one(self, data: bytes) -> Request | None:
        """As `HeadParser.parse_one`; a short head is then known by its bytes."""
        parser = self.parser()
        request = parser.parse_one(data)
        if request is None:
            self.parsers.append(parser)
            return None
        if request.keep_alive:  # else llhttp takes nothing more after it
            self.parsers.append(parser)
        if len(data) <= SHORT_HEAD_BYTES:
            self.heads.remember(data, request, SHORT_HEAD_BYTES + len(data))
        return request

    def parser(self) -> HeadParser:
        try:
            return self.parsers.pop()
        except IndexError:
            return HeadParser(self.limits, self.requests)


class HeadReader:
    """A head that is not one receive, of one connection."""

    __slots__ = ("_conn", "_limits", "_memory", "partial")

    def __init__(self, conn: Stream, memory: Memory) -> None:
        self._conn = conn
        self._limits = memory.limits
        self._memory = memory
        self.partial: bytes | bytearray = b""
        """What has come of a head that `next` has not accepted."""

    async def next(self, data: bytes, now: float) -> tuple[Request, bytes, bytes]:
        """The next request, its head, and what was received beyond it.

        `data` has been received already. Raises `ProtocolError`, `PeerGone`.
        """
        if data.startswith(b"\r"):
            data = data.lstrip(b"\r\n")  # RFC 9112, section 2.2: tolerate empty lines before
        end = data.find(END)
        if end < 0:
            self._conn.wait_until(now + self._limits.head_s)
            data, end = await self._complete(bytearray(data))
        head, rest = data[: end + 4], data[end + 4 :]
        self.partial = head  # for the log, if it is refused
        parser = self._memory.parser()
        request = parser.parse(head)
        self._memory.parsers.append(parser)
        self.partial = b""
        return request, head, rest

    async def _complete(self, buffer: bytearray) -> tuple[bytes, int]:
        self.partial = buffer
        seen = 0
        while True:
            self._check_unfinished(buffer, seen)
            seen = max(0, len(buffer) - 3)  # the end may straddle two receives
            try:
                data = await self._conn.recv()
            except DeadlineExceeded:
                raise ProtocolError(408, "the request did not come in time") from None
            if not data:
                raise PeerGone("the client closed in the middle of a request")
            buffer += data
            if not seen:  # the empty lines before may have been cut in two
                del buffer[: len(buffer) - len(buffer.lstrip(b"\r\n"))]
            end = buffer.find(END, seen)
            if end >= 0:
                return bytes(buffer), end

    def _check_unfinished(self, buffer: bytearray, seen: int) -> None:
        """Refuse at once what can no longer become a request that we serve."""
        # A TLS hello has no end that could be waited for; its client gets an answer now.
        if buffer and not HEAD_START.match(buffer):
            raise ProtocolError(400, "this is not HTTP")
        # A proxy in front may take it for the end of a line (RFC 9112, section 2.2), and so read
        # another request than we do.
        if BARE_LF.search(buffer, seen):
            raise ProtocolError(400, "a line ends without CR")
        limits = self._limits
        if len(buffer) > limits.request_line_bytes and b"\r\n" not in buffer:
            raise ProtocolError(414, "request line too long")
        if len(buffer) > limits.head_bytes:
            raise ProtocolError(431, "request head too large")
