"""The chunked transfer coding, decoding side (RFC 9112, section 7.1).

llhttp decodes it too, but httptools does not say where in the received bytes the
message ended, and the next pipelined request starts exactly there.  A test holds this
decoder against llhttp on random input.

Stricter than the grammar in one point and for one reason each: chunk extensions and
trailers are bounded (they are read and ignored, and could go on for ever), and only CRLF
ends a line (a bare LF is read differently by different servers: request smuggling).
"""

from __future__ import annotations

import re

from ..errors import ProtocolError

LINE_BYTES = 4096
"""A chunk's size line with its extensions, or one trailer line."""

TRAILER_BYTES = 16384
"""All trailer lines together."""

LINES_AT_ONCE = 512
"""So many lines are understood in one call: 256 chunks, which take half a millisecond. A receive
has room for thousands, if they have one byte each."""

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"

QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'

EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN + rb"(?:[ \t]*=[ \t]*(?:" + TOKEN + rb"|" + QUOTED + rb"))?"
"""RFC 9112 section 7.1.1: blanks stand before a delimiter only, never at the end of the line."""

# At most 15 hexadecimal digits fit in 63 bits.
SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:" + EXTENSION + rb")*")

TRAILER_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")


class ChunkedDecoder:
    """Feed it what was received; take the content; ask whether it is `finished`.

    After that, `rest` holds the bytes that belong to the next request.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._remaining = 0  # of the current chunk's data
        self._after_data = False  # a CRLF is due before the next size line
        self._in_trailer = False
        self._trailer_bytes = 0
        self.finished = False
        self.behind = False
        """Whether there is more to understand of what was fed: feed again, perhaps nothing."""

    @property
    def rest(self) -> bytes:
        return bytes(self._buffer)

    def feed(self, data: bytes) -> bytes:
        """The content in `data`, as far as it can be told. Raises `ProtocolError`."""
        self._buffer += data
        content = bytearray()
        lines = 0
        while not self.finished and lines < LINES_AT_ONCE:
            if self._remaining:
                if not self._buffer:
                    break
                content += self._take()
            elif not self._next_line():
                break
            else:
                lines += 1
        self.behind = lines == LINES_AT_ONCE and not self.finished
        return bytes(content)

    def _take(self) -> bytes:
        part = bytes(self._buffer[: self._remaining])
        del self._buffer[: len(part)]
        self._remaining -= len(part)
        self._after_data = self._remaining == 0
        return part

    def _next_line(self) -> bool:
        """Consume one line outside the chunks' data; False if it is not complete."""
        # A bound for the search, too: a line without an end is looked through at each receive.
        end = self._buffer.find(b"\r\n", 0, LINE_BYTES)
        if end < 0:
            self._check_unfinished_line()
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._after_data:  # RFC 9112, section 7.1: chunk-data CRLF
            self._after_data = False
            if line:
                raise ProtocolError(400, "chunk longer than its size")
        elif self._in_trailer:
            self._trailer(line)
        else:
            self._size(line)
        return True

    def _check_unfinished_line(self) -> None:
        if len(self._buffer) >= LINE_BYTES:
            raise ProtocolError(400, "line too long in chunked coding")
        if b"\n" in self._buffer or b"\r" in self._buffer[:-1]:
            raise ProtocolError(400, "bare CR or LF in chunked coding")
        # Its client may wait for an answer: it is refused now, not when its line is over.
        if self._after_data and bytes(self._buffer) not in (b"", b"\r"):
            raise ProtocolError(400, "chunk longer than its size")

    def _size(self, line: bytes) -> None:
        match = SIZE_LINE.fullmatch(line)
        if match is None:
            raise ProtocolError(400, "malformed chunk size")
        self._remaining = int(match[1], 16)
        self._in_trailer = self._remaining == 0

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.finished = True
            return
        self._trailer_bytes += len(line)
        if self._trailer_bytes > TRAILER_BYTES:
            raise ProtocolError(431, "trailer too large")
        if not TRAILER_LINE.fullmatch(line):
            raise ProtocolError(400, "malformed trailer")
