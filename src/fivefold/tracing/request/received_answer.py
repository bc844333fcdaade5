"""A response as our own client reads it: where it ends, its status, and what must be said back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ...errors import TraceFailed
from ..model import Observation

BODILESS = (204, 304)

LAST_CHUNK = b"0\r\n\r\n"


@dataclass
class Answer:
    """What came back."""

    status: int = 0
    total_bytes: int = 0
    """Without the records of TLS, with the frames of HTTP/2."""
    closes: bool = False
    """Whether the server closes the connection with it."""
    observations: list[Observation] = field(default_factory=list)


class Speaking(Protocol):
    """One version of HTTP, on one connection."""

    version: str

    def greeted(self, data: bytes) -> bool:
        """Whether the two have told each other what must be told before a request; `data` is what
        the server has said of it. Raises `TraceFailed`."""

    def request(self, method: str, target: str) -> bytes:
        """What is sent for it; from now on the response is read."""

    def take(self, data: bytes, answer: Answer) -> bool:
        """Whether the response is complete with this. Raises `TraceFailed`."""

    def end(self) -> None:
        """The server has closed the connection. Raises `TraceFailed` if that cut it off."""

    def to_send(self) -> bytes:
        """What the protocol says back (windows of HTTP/2)."""


class Http1Speaking:
    """RFC 9112, as far as our own server uses it."""

    version = "1.1"

    def __init__(self, authority: str) -> None:
        self._authority = authority
        self._begin(bodiless=False)

    def _begin(self, *, bodiless: bool) -> None:
        self._bodiless = bodiless
        self._head = b""
        self._remaining: int | None = None
        """Of the body; None before its length is known, or if it ends with its last chunk."""
        self._tail: bytes | None = None
        """The end of what has come of a body in chunks."""

    def greeted(self, data: bytes) -> bool:
        return True

    def request(self, method: str, target: str) -> bytes:
        self._begin(bodiless=method == "HEAD")
        return f"{method} {target} HTTP/1.1\r\nHost: {self._authority}\r\n\r\n".encode()

    def take(self, data: bytes, answer: Answer) -> bool:
        answer.total_bytes += len(data)
        if self._tail is not None:
            self._tail = (self._tail + data)[-len(LAST_CHUNK) :]
            return self._tail == LAST_CHUNK
        if self._remaining is not None:
            self._remaining -= len(data)
            return self._remaining <= 0
        self._head += data
        head, end, body = self._head.partition(b"\r\n\r\n")
        return bool(end) and self._takes_body(head.lower(), body, answer)

    def _takes_body(self, head: bytes, body: bytes, answer: Answer) -> bool:
        """The head has come, and perhaps some of the body; whether that is all."""
        answer.status = int(head[9:12])
        fields = {
            name: value.strip()
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        }
        answer.closes = fields.get(b"connection") == b"close"
        if self._bodiless or answer.status in BODILESS:
            return True
        if b"content-length" in fields:
            self._remaining = int(fields[b"content-length"]) - len(body)
            return self._remaining <= 0
        self._tail = body[-len(LAST_CHUNK) :]
        return self._tail == LAST_CHUNK

    def end(self) -> None:
        if self._remaining is None and self._tail is None:
            raise TraceFailed("the server closed the connection without an answer")

    def to_send(self) -> bytes:
        return b""
