"""Several ranges of a file in one response (RFC 9110, section 14.6: multipart/byteranges)."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ....http1.exchange import Exchange
from ....http1.response import FilePart, ResponseHead
from ..files.entry import Entry
from .ranges import Range, content_range

BOUNDARY = os.urandom(12).hex().encode()
"""Of this process; nobody who wrote a file can have known it."""

END = b"\r\n--%b--\r\n" % BOUNDARY
KIND = b"multipart/byteranges; boundary=" + BOUNDARY


@dataclass
class ByteRanges:
    """The response, for an entry that is held for it until `close` is called."""

    entry: Entry
    ranges: list[Range]

    def close(self) -> None:
        self.entry.drop()

    async def answer(self, exchange: Exchange) -> None:
        openings = [self._opening(one) for one in self.ranges]
        length = sum(map(len, openings)) + sum(count for _, count in self.ranges) + len(END)
        fields = [(b"Content-Type", KIND), *self.entry.fields[1:]]
        exchange.start(ResponseHead(206, fields, length))
        for opening, one in zip(openings, self.ranges, strict=True):
            await exchange.write(opening, more=True)
            await self._send(exchange, one)
        if not self.entry.in_memory:
            self.entry.check()
        await exchange.write(END, more=False)

    def _opening(self, one: Range) -> bytes:
        return b"\r\n--%b\r\nContent-Type: %b\r\nContent-Range: %b\r\n\r\n" % (
            BOUNDARY,
            self.entry.metadata.media_type,
            content_range(one, self.entry.size),
        )

    async def _send(self, exchange: Exchange, one: Range) -> None:
        offset, count = one
        if self.entry.in_memory:
            await exchange.write(self.entry.content(offset, count), more=True)
        else:
            part = FilePart(self.entry.file, offset, count, lambda: None)
            await exchange.send_file(part, more=True)
