"""The body of a request, as it comes from the connection: sized or chunked, bounded."""

from __future__ import annotations

from time import monotonic

from ..errors import DeadlineExceeded, PeerGone, ProtocolError
from .chunked import ChunkedDecoder
from .limits import Limits
from .request import Request
from .response import CONTINUE
from .stream import Stream


class Body:
    """Read with `read` until b""; then `rest` holds what belongs to the next request.

    Raises `ProtocolError`: 413 beyond the limit (a sized body: before a byte of it is
    read), 408 when nothing comes for `body_s`, 400 when the coding is broken.
    """

    def __init__(self, conn: Stream, request: Request, received: bytes, limits: Limits) -> None:
        self._conn = conn
        self._limits = limits
        self._received = received
        self._remaining = request.content_length
        self._chunked = ChunkedDecoder() if request.content_length is None else None
        self._total = 0
        self.came_at = 0.0
        """When some of it came last, by `time.monotonic`."""
        # No 100 is due once some of it is here (RFC 9110, section 10.1.1).
        self._promise = request.expects_continue and not received
        if self._remaining is not None and self._remaining > limits.body_bytes:
            raise ProtocolError(413, f"the body may have {limits.body_bytes} bytes")

    @property
    def finished(self) -> bool:
        return self._chunked.finished if self._chunked else self._remaining == 0

    @property
    def awaits_permission(self) -> bool:
        """Whether the client still waits for 100 Continue before it sends anything."""
        return self._promise and not self.finished

    @property
    def rest(self) -> bytes:
        return self._chunked.rest if self._chunked else self._received

    @property
    def ahead(self) -> int:
        """How many bytes have come and were not read yet."""
        return len(self._received)

    def put(self, data: bytes) -> None:
        """What a watcher of the connection has received meanwhile."""
        self._received += data

    async def read(self) -> bytes:
        """The next part of the content; b"" once it is complete."""
        chunked = self._chunked
        while not self.finished:
            # Before anything is taken, so that a cancelled read loses nothing.
            behind = chunked is not None and chunked.behind
            if behind:
                await self._conn.yield_turn()
            data, self._received = self._received, b""
            content = self._decoded(data if data or behind else await self._more())
            if content:
                return content
        return b""

    async def skip(self, most: int) -> bool:
        """Read what the content did not read, up to `most` bytes; whether that was all."""
        while most > 0:
            content = await self.read()
            if not content:
                return True
            most -= len(content)
        return self.finished

    async def _more(self) -> bytes:
        # For each part: an upload may take hours, but not stand still.
        self._conn.allow(self._limits.body_s)
        if self._promise:
            self._promise = False
            await self._conn.send(CONTINUE)
        try:
            data = await self._conn.recv()
        except DeadlineExceeded:
            raise ProtocolError(408, "the body did not come in time") from None
        if not data:
            raise PeerGone("the client closed in the middle of a body")
        self.came_at = monotonic()
        return data

    def _decoded(self, data: bytes) -> bytes:
        if self._chunked:
            content = self._chunked.feed(data)
            self._total += len(content)
            if self._total > self._limits.body_bytes:
                raise ProtocolError(413, f"the body may have {self._limits.body_bytes} bytes")
            return content
        assert self._remaining is not None
        content, self._received = data[: self._remaining], data[self._remaining :]
        self._remaining -= len(content)
        return content
