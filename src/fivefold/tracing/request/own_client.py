"""Our own client: one request, and what can be seen of it from this end.

Its socket's time stamps need no rights and do not disturb the server: when the last byte
of the request was handed to the interface, and when the last byte of the response
arrived there.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass

from ...errors import TraceFailed
from ...linux import timestamping
from ..model import Observation
from .received_answer import Answer, Http1Speaking, Speaking
from .sealing import Sealing

TIMEOUT_S = 60.0
"""Longer than the server's own patience: so the server gives up first."""

RECEIVE_BYTES = 262144

SMALL_BUFFER_BYTES = 4096
"""The least receive buffer of a slow client: the server's kernel soon has no room."""


@dataclass(frozen=True)
class Manner:
    """How the client behaves, so that the server has to wait."""

    sends_late_s: float = 0.0
    """How long it keeps the last byte of its request back."""
    reads_late_s: float = 0.0
    """How long it lets the response lie, in a small buffer, before it reads any of it."""


AT_ONCE = Manner()


def speaking(scheme: str, authority: str) -> Speaking:
    """HTTP/2, on one connection."""
    from .http2_speaking import Http2Speaking  # noqa: PLC0415 - only where it is spoken

    return Http2Speaking(scheme, authority)


class OwnClient:
    """A connection to the server under observation. Raises `TraceFailed`."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        http2: bool = False,
        manner: Manner = AT_ONCE,
    ) -> None:
        self._manner = manner
        self._sock = self._connected(host, port)
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
        scheme, authority = "http" if tls is None else "https", f"{host}:{port}"
        self.tls: Sealing | None = None
        self.speaking = speaking(scheme, authority) if http2 else Http1Speaking(authority)
        try:
            if tls is not None:
                self.tls = Sealing(self._sock, tls)
            self._greet()
        except (OSError, TraceFailed) as error:
            self.close()
            raise TraceFailed(f"the server did not agree to it: {error}") from error

    def _greet(self) -> None:
        """What precedes the first request: it is no part of a trace."""
        data = b""
        while not self.speaking.greeted(data):
            self._say(self.speaking.to_send())
            received = self._sock.recv(RECEIVE_BYTES)
            if not received:
                raise TraceFailed("it closed the connection")
            data = self._opened(received)
        self._say(self.speaking.to_send())

    def _say(self, data: bytes) -> None:
        if data:
            self._sock.sendall(data if self.tls is None else self.tls.seal(data))

    def _opened(self, data: bytes) -> bytes:
        return data if self.tls is None else self.tls.open(data)

    def _connected(self, host: str, port: int) -> socket.socket:
        sock = socket.socket()
        sock.settimeout(TIMEOUT_S)
        if self._manner.reads_late_s:  # before it connects, or its window is larger for ever
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        try:
            sock.connect((host, port))
        except OSError as error:
            sock.close()
            raise TraceFailed(f"cannot connect to {host}:{port}: {error.strerror}") from error
        return sock

    def _make_room(self) -> None:
        """It was slow once: the rest shall not come in thousands of small parts, each of which the
        kernel tells of."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP, RECEIVE_BYTES)

    def close(self) -> None:
        self._sock.close()

    def ask(self, method: str, target: str, *, in_its_manner: bool = False) -> Answer:
        """Send a request and read its response to the end. Raises `TraceFailed`."""
        answer = Answer()
        seen = answer.observations
        manner = self._manner if in_its_manner else AT_ONCE
        try:
            # A server that has refused it and gone leaves its answer here (408, RFC 9110).
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._send(self.speaking.request(method, target), manner.sends_late_s, seen)
            if manner.reads_late_s:
                time.sleep(manner.reads_late_s)
                self._make_room()
            self._receive(answer)
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
            sealed = part if self.tls is None else self.tls.seal(part)
            detail = {"bytes": len(sealed)}
            seen.append(Observation(time.monotonic_ns(), "clock", "client.send.enter", detail))
            self._sock.sendall(sealed)
            seen.append(Observation(time.monotonic_ns(), "clock", "client.send.exit", detail))

    def _receive(self, answer: Answer) -> None:
        is_complete = False
        while not is_complete:
            data = self._one(answer.observations)
            if not data:
                self.speaking.end()
                break
            is_complete = self.speaking.take(self._opened(data), answer)
            self._say(self.speaking.to_send())

    def _one(self, seen: list[Observation]) -> bytes:
        data, ancillary, _, _ = self._sock.recvmsg(RECEIVE_BYTES, timestamping.CONTROL_BYTES)
        now = time.monotonic_ns()
        detail = {"bytes": len(data), "side": "client"}
        stamp = timestamping.received(ancillary, self._offset_ns)
        if stamp is not None:
            seen.append(Observation(stamp.at_ns, "timestamp", "RX", detail))
        seen.append(Observation(now, "clock", "client.recv.exit", detail))
        return data
