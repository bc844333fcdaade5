"""A stream that carries a websocket (RFC 8441): what content sends and reads are its bytes.

Choice.       Content answers a handshake of HTTP/1.1 and speaks to its connection, as ever.  The
              head of that answer becomes the stream's; 101 is 200 here, and the proof of the key,
              which is for caches of HTTP/1.1, is left out (section 5).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from ..errors import ProtocolError
from ..http1.response import HEAD_END
from .response_fields import of_lines
from .stream import Carrier, StreamConnection

SWITCHED = (b":status", b"101")

SUCCESSES = range(200, 300)

PROOF = b"sec-websocket-accept"


class Tunnel(StreamConnection):
    """Raises what `StreamConnection` raises."""

    carries_socket = True
    _answered = False
    _ended = False
    """Whether the client says nothing more."""
    _listens = False
    """Whether a server that stops ends its receive."""

    def __init__(self, carrier: Carrier, number: int) -> None:
        super().__init__(carrier, number)
        self._parts: deque[bytes] = deque()
        self.body = self

    # As the body of its request

    @property
    def finished(self) -> bool:
        return self._ended

    def put(self, data: bytes) -> None:
        if data:
            self._parts.append(data)

    def end(self) -> None:
        self._ended = True

    @property
    def ahead(self) -> int:
        return sum(map(len, self._parts))

    def _has_news(self) -> bool:
        return bool(self._parts) or self._ended or (self._listens and self.closing)

    # As a connection

    def begin_listening(self) -> None:
        self._listens = True

    def heard(self) -> None:
        self._listens = False

    async def recv(self) -> bytes:
        if not self._has_news():
            await self.until(self._has_news)
        if not self._parts:
            return b""
        part = self._parts.popleft()
        self.has_read(len(part))
        return part

    def send_soon(self, data: bytes) -> bool:
        if not self._answered or self.gone or not self.has_window(len(data)):
            return False
        self.carrier.frames.send(self.number, data, end=False)
        self.carrier.outgoing.soon()
        return True

    def has_room(self, size: int) -> bool:
        """Nothing leaves here before `respond` has seen what it would mean."""
        return False

    def has_window(self, size: int) -> bool:
        """As `has_room` elsewhere, for what follows other parts."""
        return size <= self.carrier.frames.stream_window(self.number) and super().has_room(size)

    async def send(self, *buffers: bytes) -> None:
        data = b"".join(buffers)
        if not self._answered:
            data = self._answer(data)
        if data:
            await self.send_body(data, end=False)
        else:
            await self.carrier.flushed(self)

    def respond(self, fields: Iterable[tuple[bytes, bytes]], status: int) -> None:
        """Of content that answers as to any request: its success would mean an open websocket.

        Raises `ProtocolError`.
        """
        if status in SUCCESSES:
            raise ProtocolError(501, "There is no websocket here.")
        super().respond(fields, status)

    def _answer(self, data: bytes) -> bytes:
        """The head leaves as fields; what follows it."""
        self._answered = True
        end = data.index(HEAD_END) + len(HEAD_END)
        status, *fields = of_lines(data[:end])
        said = int(status[1])
        if status == SWITCHED:
            status = (b":status", b"200")
            fields = [field for field in fields if field[0] != PROOF]
        super().respond([status, *fields], said)
        return data[end:]

    def shutdown_send(self) -> None:
        if not self.has_ended:
            self.has_ended = True
            self.carrier.end_body(self)

    async def close(self) -> None:
        """Content has said all: its end leaves behind that, as a FIN does (section 5)."""
        if self._answered and not self.gone:
            self.shutdown_send()
