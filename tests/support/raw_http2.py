"""An HTTP/2 client that sends frames as a test writes them, wrong ones too (RFC 9113, section 4).

It knows nothing of the server's library: fields go out as literals that are not indexed (RFC 7541,
section 6.2.2), and of what comes only the status is decoded.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from support.client import Client

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = 0, 1, 2, 3, 4
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 5, 6, 7, 8, 9
PRIORITY_UPDATE = 16

ACK = END_STREAM = 1
END_HEADERS, PADDED, PRIORITISED = 4, 8, 32

NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED = 0, 1, 3, 5
FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL, COMPRESSION_ERROR = 6, 7, 8, 9
ENHANCE_YOUR_CALM = 11

HEADER_TABLE_SIZE, ENABLE_PUSH, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 2, 4, 5

STATUSES = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
"""Of the static table (RFC 7541, appendix A)."""

DIGITS = {
    **{format(n, "05b"): str(n) for n in range(3)},
    **{format(0x19 + n, "06b"): str(n + 3) for n in range(7)},
}
"""Their codes (RFC 7541, appendix B)."""

Fields = Iterable[tuple[str, str]]


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """Of an error: what RST_STREAM or GOAWAY say."""
        at = 4 if self.kind == GOAWAY else 0
        return int.from_bytes(self.payload[at : at + 4])

    @property
    def ends(self) -> bool:
        return self.kind == RST_STREAM or (
            self.kind in {DATA, HEADERS} and bool(self.flags & END_STREAM)
        )


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + struct.pack(">BBL", kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HL", *pair) for pair in pairs))


def window_update(stream: int, by: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, by.to_bytes(4))


def reset(stream: int, code: int = CANCEL) -> bytes:
    return frame(RST_STREAM, 0, stream, code.to_bytes(4))


def text(value: str) -> bytes:
    """A string literal (RFC 7541, section 5.2)."""
    data = value.encode("latin-1")
    return number(len(data), 7) + data


def number(value: int, bits: int, kind: int = 0) -> bytes:
    """An integer (RFC 7541, section 5.1); `kind`: what the other bits of its first byte say."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((kind | value,))
    out, value = bytes((kind | most,)), value - most
    while value > 127:
        out, value = out + bytes((value & 127 | 128,)), value >> 7
    return out + bytes((value,))


def block(fields: Fields) -> bytes:
    return b"".join(b"\0" + text(name) + text(value) for name, value in fields)


def asked(path: str = "/", method: str = "GET") -> list[tuple[str, str]]:
    return [(":method", method), (":scheme", "http"), (":authority", "test"), (":path", path)]


def request(
    stream: int, path: str = "/", *more: tuple[str, str], method: str = "GET", ends: bool = True
) -> bytes:
    flags = END_HEADERS | (END_STREAM if ends else 0)
    return frame(HEADERS, flags, stream, block([*asked(path, method), *more]))


class RawHttp2(Client):
    """One connection. What it receives is a list of frames; it gives no window by itself."""

    def __init__(self, address: tuple[str, int], receive_buffer: int | None = None) -> None:
        super().__init__(address, receive_buffer)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.passed: list[Frame] = []
        """Frames of other streams than the one that was waited for."""
        self._unsent = b""
        self.refused = False
        """Whether the server has closed while something was sent."""

    def begin(self, *pairs: tuple[int, int]) -> None:
        """The preface, SETTINGS (with no table, so that statuses can be read), and the server's."""
        self.send(PREFACE + settings((HEADER_TABLE_SIZE, 0), *pairs))
        while not (frame := self.frame()).flags & ACK or frame.kind != SETTINGS:
            if frame.kind == SETTINGS:
                self.send(frame_ack())

    def push(self, data: bytes) -> bool:
        """Send what the server takes at once; whether that is all of it, and the rest of before."""
        unsent = self._unsent + data
        try:
            while unsent:
                unsent = unsent[self.sock.send(unsent, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            pass  # it reads no further, yet
        except OSError:
            self.refused = True
        self._unsent = unsent
        return not unsent

    def frame(self) -> Frame:
        """The next one. Raises EOFError, ConnectionResetError."""
        head = self.exactly(9)
        length = int.from_bytes(head[:3])
        kind, flags, stream = struct.unpack(">BBL", head[3:])
        return Frame(kind, flags, stream, self.exactly(length))

    def until(self, kind: int, stream: int | None = None) -> Frame:
        """The next frame of that kind; what comes before it on other streams is kept."""
        return self.next_where(lambda f: f.kind == kind and stream in {None, f.stream})

    def next_where(self, wanted: Callable[[Frame], bool]) -> Frame:
        for found in self.passed:
            if wanted(found):
                self.passed.remove(found)
                return found
        while not wanted(found := self.frame()):
            self.passed.append(found)
        return found

    def status(self, stream: int) -> int:
        """Of the next response on that stream."""
        return status_of(self.until(HEADERS, stream).payload)

    def body(self, stream: int) -> bytes:
        """Until the stream ends."""
        parts = []
        while True:
            found = self.next_where(lambda f: f.stream == stream and f.kind != WINDOW_UPDATE)
            assert found.kind == DATA, found
            parts.append(found.payload)
            if found.ends:
                return b"".join(parts)

    def end(self) -> Frame | None:
        """How it ends the connection: its last GOAWAY, or None if it just closed."""
        last = None
        try:
            while True:
                found = self.frame()
                last = found if found.kind == GOAWAY else last
        except (EOFError, ConnectionError):
            return last

    def has_ended(self) -> bool:
        """Whether the server closes now. Waits for it."""
        self.end()
        return True

    def lives(self) -> bool:
        """Whether it still answers; what came before is read."""
        self.send(frame(PING, 0, 0, b"12345678"))
        try:
            while (found := self.frame()).kind != PING or not found.flags & ACK:
                pass
        except (EOFError, ConnectionError):
            return False
        return True


def frame_ack() -> bytes:
    return frame(SETTINGS, ACK, 0)


def status_of(payload: bytes) -> int:
    while payload[0] & 0xE0 == 0x20:  # the size of the table
        payload = payload[1:]
    if payload[0] in STATUSES:
        return STATUSES[payload[0]]
    assert payload[0] in {0x08, 0x48}, payload  # a literal with the name of the table
    length = payload[1] & 0x7F
    value = payload[2 : 2 + length]
    return int(decoded(value) if payload[1] & 0x80 else value)


def decoded(value: bytes) -> str:
    bits = "".join(format(byte, "08b") for byte in value)
    out = ""
    while len(out) < 3:
        size = 5 if bits[:5] in DIGITS else 6
        out, bits = out + DIGITS[bits[:size]], bits[size:]
    return out


ZERO_WINDOW_PROBE = "04"
"""What the kernel waits for on a connection whose other end has no room (proc_net_tcp)."""


def has_no_room(server: tuple[str, int], client: socket.socket) -> bool:
    """Whether the client's buffers are full, as the kernel knows it of the server's socket."""
    ends = [f":{port:04X}" for port in (server[1], client.getsockname()[1])]
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        here, there, _, _, timer = line.split()[1:6]
        if [here[-5:], there[-5:]] == ends:
            return timer[:2] == ZERO_WINDOW_PROBE
    return False
