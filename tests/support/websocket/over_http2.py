"""A websocket on a stream of HTTP/2 (RFC 8441); its frames are the `websockets` library's."""

from __future__ import annotations

from collections import deque

from websockets.frames import CLOSE, CONT, TEXT, Frame
from websockets.protocol import OPEN, Protocol, Side

from support.http2_client import Fields, Http2Client

MESSAGE_BYTES = 1 << 24


def connect_fields(client: Http2Client, path: str, more: Fields = ()) -> Fields:
    return [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", client.scheme),
        (":path", path),
        (":authority", "test"),
        ("sec-websocket-version", "13"),
        *more,
    ]


class StreamSocket:
    """Opened with its first line; `status` is that of the answer."""

    def __init__(self, client: Http2Client, path: str, fields: Fields = ()) -> None:
        self.client = client
        self.number = client.begin_with(connect_fields(client, path, fields), end=False)
        self.status = client.head(self.number).status
        self._protocol = Protocol(Side.CLIENT, state=OPEN, max_size=MESSAGE_BYTES)
        self._messages: deque[str | bytes] = deque()
        self._parts: list[bytes] = []
        self._is_text = False

    @property
    def field(self) -> dict[str, str]:
        return self.client.streams[self.number].heads[-1]

    def send(self, message: str | bytes) -> None:
        self.client.put_part(self.number, self.frame(message))

    def frame(self, message: str | bytes) -> bytes:
        """The bytes of one, which the library takes for sent."""
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        return b"".join(self._protocol.data_to_send())

    def close(self, code: int, reason: str = "") -> None:
        self._protocol.send_close(code, reason)
        self.client.put_part(self.number, b"".join(self._protocol.data_to_send()))

    def recv(self) -> str | bytes:
        while not self._messages:
            data = self.client.more(self.number)
            assert data, (self.client.streams[self.number], self._protocol.close_rcvd)
            self._protocol.receive_data(data)
            for event in self._protocol.events_received():
                assert isinstance(event, Frame)
                self._take(event)
        return self._messages.popleft()

    def _take(self, frame: Frame) -> None:
        if frame.opcode is CLOSE:
            return
        if frame.opcode is not CONT:
            self._is_text = frame.opcode is TEXT
        self._parts.append(bytes(frame.data))
        if frame.fin:
            data, self._parts = b"".join(self._parts), []
            self._messages.append(data.decode() if self._is_text else data)

    def closed_by(self) -> tuple[int, str]:
        """What the server closes with, after whatever it sent before; answers it as clients do."""
        while self._protocol.close_rcvd is None:
            data = self.client.more(self.number)
            assert data, self.client.streams[self.number]
            self._protocol.receive_data(data)
        out = b"".join(self._protocol.data_to_send())
        if out and not self.client.streams[self.number].over:
            self.client.put_part(self.number, out)
        return self._protocol.close_rcvd.code, self._protocol.close_rcvd.reason
