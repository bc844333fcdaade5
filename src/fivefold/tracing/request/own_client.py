"""Our own client: one request, and what can be seen of it from this end.

Its socket's time stamps need no rights and do not disturb the server: when the last byte
of the request was handed to the interface, and when the last byte of the response
arrived there.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass, field

from ...errors import TraceFailed
from ...linux import timestamping
from ..model import Observation

TIMEOUT_S = 60.0
"""Longer than the server's own patience: so the server gives up first."""

RECEIVE_BYTES = 262144


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    head_bytes: int = 0
    total_bytes: int = 0
    closes: bool = False
    """Whether the server closes the connection with it."""
    observations: list[Observation] = field(default_factory=list)


class OwnClient:
    """A connection to the server under observation."""

    def __init__(self, host: str, port: int) -> None:
        try:
            self._sock = socket.create_connection((host, port), TIMEOUT_S)
        except OSError as error:
            raise TraceFailed(f"cannot connect to {host}:{port}: {error.strerror}") from error
        # Not Python's own time-out: it would wait before it reads the error queue, too.
        self._sock.setblocking(True)
        patience = struct.pack("ll", int(TIMEOUT_S), 0)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.refused = timestamping.enable(self._sock)
        """Why there are no time stamps; None if there are."""
        self._offset_ns = timestamping.realtime_offset_ns()
        self.thread = threading.get_native_id()
        self.port: int = self._sock.getsockname()[1]

    def close(self) -> None:
        self._sock.close()

    def ask(self, request: bytes, *, hold_back_s: float = 0.0) -> Answer:
        """Send `request` and read its response to the end.

        `hold_back_s`: how long the last byte is kept back, to see what a slow client does.
        Raises `TraceFailed`.
        """
        answer = Answer()
        seen = answer.observations
        try:
            self._send(request, hold_back_s, seen)
            self._receive(answer, bodiless=request.startswith(b"HEAD "))
        except OSError as error:
            raise TraceFailed(f"the connection broke: {error}") from error
        for stamp in timestamping.sent(self._sock, self._offset_ns):
            detail = {"byte": stamp.byte, "side": "client"}
            seen.append(Observation(stamp.at_ns, "timestamp", f"TX_{stamp.kind}", detail))
        return answer

    def _send(self, request: bytes, hold_back_s: float, seen: list[Observation]) -> None:
        parts = [request[:-1], request[-1:]] if hold_back_s else [request]
        for number, part in enumerate(parts):
            if number:
                time.sleep(hold_back_s)
            detail = {"bytes": len(part)}
            seen.append(Observation(time.monotonic_ns(), "clock", "client.send.enter", detail))
            self._sock.sendall(part)
            seen.append(Observation(time.monotonic_ns(), "clock", "client.send.exit", detail))

    def _receive(self, answer: Answer, *, bodiless: bool) -> None:
        buffer = bytearray()
        remaining: int | None = None
        while remaining is None or remaining > 0:
            data = self._one(answer.observations)
            if not data:
                if remaining is None:
                    raise TraceFailed("the server closed the connection without an answer")
                break
            answer.total_bytes += len(data)
            if remaining is None:
                buffer += data
                remaining = self._remaining(buffer, answer, bodiless=bodiless)
            else:
                remaining -= len(data)

    def _one(self, seen: list[Observation]) -> bytes:
        data, ancillary, _, _ = self._sock.recvmsg(RECEIVE_BYTES, timestamping.CONTROL_BYTES)
        now = time.monotonic_ns()
        detail = {"bytes": len(data), "side": "client"}
        stamp = timestamping.received(ancillary, self._offset_ns)
        if stamp is not None:
            seen.append(Observation(stamp.at_ns, "timestamp", "RX", detail))
        seen.append(Observation(now, "clock", "client.recv.exit", detail))
        return data

    def _remaining(self, buffer: bytearray, answer: Answer, *, bodiless: bool) -> int | None:
        """How much of the body is missing; None while the head is incomplete."""
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(buffer[:end]).lower()
        answer.status = int(head[9:12])
        answer.head_bytes = end + 4
        if bodiless or answer.status in (204, 304):
            return 0
        fields = dict(line.partition(b":")[::2] for line in head.split(b"\r\n")[1:])
        answer.closes = fields.get(b"connection", b"").strip() == b"close"
        length = fields.get(b"content-length")
        if length is not None:
            return int(length) - (len(buffer) - end - 4)
        return self._until_last_chunk(buffer[end + 4 :], answer)

    def _until_last_chunk(self, tail: bytearray, answer: Answer) -> int:
        """A body of unknown length: to its last chunk, or to the end of the connection."""
        while not tail.endswith(b"0\r\n\r\n"):
            data = self._one(answer.observations)
            if not data:
                break
            answer.total_bytes += len(data)
            tail = (tail + data)[-5:]
        return 0
