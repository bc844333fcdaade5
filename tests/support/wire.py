"""The suite's own HTTP client, with chunks and trailers taken apart; still bytes on the wire."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

from support.client import Answer, Client


class Wire(Client):
    """One connection; requests as they are written here, answers as they come."""

    trailers: dict[str, str]

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        fields: str = "",
        body: bytes | None = None,
        minor: int = 1,
    ) -> Answer:
        """One exchange; `fields` are whole lines."""
        self.put(path, method=method, fields=fields, body=body, minor=minor)
        return self.answer(bodiless=method == "HEAD")

    def put(
        self,
        path: str,
        *,
        method: str = "GET",
        fields: str = "",
        body: bytes | None = None,
        minor: int = 1,
    ) -> None:
        """The request only."""
        if body is not None:
            fields += f"Content-Length: {len(body)}\r\n"
        head = f"{method} {path} HTTP/1.{minor}\r\nHost: test\r\n{fields}\r\n"
        self.send(head.encode("latin-1") + (body or b""))

    def ask_json(self, path: str, **request: Any) -> Any:
        answer = self.ask(path, **request)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def answer(self, *, bodiless: bool = False) -> Answer:
        """The next final response. Raises EOFError if the server closed before its end."""
        answer = super().answer(bodiless=bodiless)
        if bodiless or answer.status in (204, 304) or answer.status < 200:
            return answer
        if answer.fields.get("transfer-encoding") == "chunked":
            answer.body = b"".join(self.chunks())
        elif "content-length" not in answer.fields:
            answer.body = self.to_the_end()
        return answer

    def head(self) -> Answer:
        """The head alone; the body is left to be read in pieces."""
        return super().answer(bodiless=True)

    def chunk(self) -> bytes:
        """The next chunk; b"" for the last one."""
        size = int(self._until(b"\r\n"), 16)
        data = self.exactly(size)
        if size:
            assert self.exactly(2) == b"\r\n"
        return data

    def chunks(self) -> list[bytes]:
        found = []
        while chunk := self.chunk():
            found.append(chunk)
        self.trailers = {}
        while (line := self._until(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("latin-1").rstrip().partition(": ")
            self.trailers[name.lower()] = value
        return found

    def to_the_end(self) -> bytes:
        parts, self._received = [self._received], b""
        while data := self.sock.recv(65536):
            parts.append(data)
        return b"".join(parts)

    def leave(self) -> None:
        """Close by a reset, as a client does that is killed."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))
