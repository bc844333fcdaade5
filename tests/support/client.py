"""A small HTTP client of our own for what http.client hides: bytes on the wire.

It parses with nothing of the server's code.
"""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from types import TracebackType
from typing import Self
from weakref import WeakSet

TIMEOUT_S = 30.0
"""A test that waits so long has failed; it bounds a hang, it measures nothing."""


REPEATABLE = {"set-cookie", "vary", "link", "warning", "www-authenticate", "x-repeated"}
"""Fields that are lists; of the others none may come twice (RFC 9110, section 5.3)."""


@dataclass
class Answer:
    status: int
    fields: dict[str, str]
    body: bytes


MADE: WeakSet[Client] = WeakSet()
"""Those that a test has left open are closed at its end: a failed one must not fail the next."""


class Client:
    """One connection; `with Client(address) as client`."""

    def __init__(self, address: tuple[str, int], receive_buffer: int | None = None) -> None:
        self.sock = socket.socket()
        self.sock.settimeout(TIMEOUT_S)
        if receive_buffer is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.sock.connect(address)
        except OSError:
            self.sock.close()
            raise
        self._received = b""
        MADE.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def get(self, path: str, *, method: str = "GET", **fields: str) -> Answer:
        """`fields` by name, with underscores for hyphens."""
        lines = "".join(f"{name.replace('_', '-')}: {fields[name]}\r\n" for name in fields)
        self.send(f"{method} {path} HTTP/1.1\r\nHost: test\r\n{lines}\r\n".encode())
        return self.answer(bodiless=method == "HEAD")

    def answer(self, *, bodiless: bool = False) -> Answer:
        """The next response. Raises EOFError if the server closed before it was complete."""
        head = self._until(b"\r\n\r\n").decode("latin-1")
        first, *lines = head[:-4].split("\r\n")
        status = int(first.split(" ")[1])
        named = [(name.lower(), value) for name, _, value in (x.partition(": ") for x in lines)]
        fields = dict(named)
        once = [name for name, _ in named if name not in REPEATABLE]
        assert len(once) == len(set(once)), f"a field that may only come once: {head}"
        length = 0 if bodiless or status < 200 else int(fields.get("content-length", 0))
        return Answer(status, fields, self.exactly(length))

    def exactly(self, count: int) -> bytes:
        parts = [self._received[:count]]
        self._received = self._received[count:]
        missing = count - len(parts[0])
        while missing:
            data = self.sock.recv(min(missing, 1 << 20))
            if not data:
                raise EOFError(f"closed, {missing} bytes short")
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError(f"closed after {self._received!r}")
            self._received += data
        head, _, self._received = self._received.partition(mark)
        return head + mark

    def at_end(self) -> bool:
        """Whether the server closes now, having sent nothing more. Waits for it."""
        try:
            return not self._received and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True


def until(ask: Callable[[], Answer], wanted: Callable[[Answer], bool]) -> Answer:
    """Ask again and again: what has changed is seen when the second ends."""
    end = monotonic() + TIMEOUT_S
    while not wanted(answer := ask()):
        assert monotonic() < end, answer
    return answer


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
