"""The body of a request as its stream brings it: in parts, no more than its window holds."""

from __future__ import annotations

from collections import deque
from time import monotonic

from ..errors import DeadlineExceeded, PeerGone, ProtocolError
from ..http1.limits import Limits
from ..http1.request import Request
from .stream import StreamConnection


class StreamBody:
    """As `http1.body.Body`, which reads a connection. Raises what that raises."""

    rest = b""
    """What belongs to the next request comes on a stream of its own."""

    def __init__(self, stream: StreamConnection, request: Request, limits: Limits) -> None:
        """Raises `ProtocolError` for one that says that it is too long."""
        self._stream = stream
        self._limits = limits
        self._parts: deque[bytes] = deque()
        self._ended = False
        """Whether all has come."""
        self._total = 0
        self._promise = request.expects_continue
        self.came_at = 0.0
        if (request.content_length or 0) > limits.body_bytes:
            raise too_large(limits)

    @property
    def finished(self) -> bool:
        return self._ended and not self._parts

    @property
    def awaits_permission(self) -> bool:
        return self._promise and not self.finished

    @property
    def ahead(self) -> int:
        return sum(map(len, self._parts))

    def put(self, data: bytes) -> None:
        """It has come, to be read."""
        if data:
            self._promise = False
            self.came_at = monotonic()
            self._parts.append(data)

    def end(self) -> None:
        """All has come."""
        self._ended = True

    def has_news(self) -> bool:
        return bool(self._parts) or self._ended

    async def read(self) -> bytes:
        """The next part; b"" once it is complete."""
        if not self.has_news():
            await self._more()
        if not self._parts:
            return b""
        part = self._parts.popleft()
        self._total += len(part)
        self._stream.has_read(len(part))
        if self._total > self._limits.body_bytes:
            raise too_large(self._limits)
        return part

    async def skip(self, most: int) -> bool:
        """There is no need to: the stream ends, and takes its body along."""
        return self.finished

    async def _more(self) -> None:
        self._stream.allow(self._limits.body_s)
        if self._promise:
            self._promise = False
            self._stream.inform(100, [])
        try:
            await self._stream.receive(self.has_news)
        except DeadlineExceeded:
            raise ProtocolError(408, "the body did not come in time") from None
        except PeerGone:
            raise PeerGone("the client left in the middle of a body") from None


def too_large(limits: Limits) -> ProtocolError:
    return ProtocolError(413, f"the body may have {limits.body_bytes} bytes")
