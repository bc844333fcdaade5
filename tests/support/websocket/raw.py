"""A websocket's client by hand: whatever no library would send, and what comes back."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import zlib
from dataclasses import dataclass

from support.client import Answer
from support.wire import Wire

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

MASK = b"\x01\x02\x03\x04"

DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"


def frame(
    opcode: int,
    data: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """One frame; `reserved` are its three bits (4 is permessage-deflate's), `length` what it
    says of itself."""
    size = len(data) if length is None else length
    first = fin << 7 | reserved << 4 | opcode
    if size <= 125:
        head = struct.pack("!BB", first, masked << 7 | size)
    elif size <= 0xFFFF:
        head = struct.pack("!BBH", first, masked << 7 | 126, size)
    else:
        head = struct.pack("!BBQ", first, masked << 7 | 127, size)
    return head + (MASK + xor(data) if masked else data)


def xor(data: bytes) -> bytes:
    key = int.from_bytes((MASK * (len(data) // 4 + 1))[: len(data)], "big")
    return (int.from_bytes(data, "big") ^ key).to_bytes(len(data), "big")


def deflated(data: bytes) -> bytes:
    """As a message of its own (RFC 7692, section 7.2.1)."""
    deflate = zlib.compressobj(wbits=-12, level=9)
    return (deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


@dataclass
class Received:
    """One frame of the server's."""

    first: int
    data: bytes

    @property
    def code(self) -> int:
        assert self.first == 0x80 | CLOSE, self
        return int.from_bytes(self.data[:2], "big")


class RawWebSocket(Wire):
    """`with RawWebSocket(address) as client`; `open` first."""

    def open(self, path: str, fields: str = "", *, then: bytes = b"", minor: int = 1) -> Answer:
        """The handshake; `then` leaves with it. The answer is checked if it is 101."""
        key = base64.b64encode(os.urandom(16))
        self.send(request(path, fields, key=key, minor=minor) + then)
        answer = self.head()
        if answer.status == 101:
            accept = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
            accepted = answer.fields["sec-websocket-accept"].encode()
            assert base64.b64decode(accepted) == accept.digest()
        return answer

    def frame(self) -> Received:
        first, size = self.exactly(2)
        assert size < 128, "a server masks nothing"
        if size == 126:
            size = int.from_bytes(self.exactly(2), "big")
        elif size == 127:
            size = int.from_bytes(self.exactly(8), "big")
        return Received(first, self.exactly(size))


def request(path: str, fields: str = "", *, key: bytes = b"", minor: int = 1) -> bytes:
    lines = (
        f"GET {path} HTTP/1.{minor}\r\nHost: test\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n{fields}"
    )
    named = b"Sec-WebSocket-Key: " + key + b"\r\n" if key else b""
    return lines.encode("latin-1") + named + b"\r\n"


def handshake(wire: Wire, path: str, fields: str = "Sec-WebSocket-Version: 13\r\n") -> None:
    """The request alone, for what a client library would never do."""
    key = base64.b64encode(os.urandom(16)).decode()
    wire.put(
        path,
        fields=f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: {key}\r\n{fields}",
    )
