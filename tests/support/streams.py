"""A client of HTTP/2 without TLS: requests one after the other, or side by side, on a connection.

Not curl: 7.88 asks only once on a connection with prior knowledge.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any, Self

import ngh2


@dataclass
class StreamAnswer:
    status: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    over: bool = False
    reset: bool = False
    """Whether the server has ended it before its end."""


class Streams:
    """One connection. Raises `TimeoutError` for a server that says nothing for 30 seconds."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._sock = socket.create_connection(address, timeout=30)
        self._session = ngh2.Connection(ngh2.Role.CLIENT)
        self._session.initiate_connection()
        self._answers: dict[int, StreamAnswer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def get(self, path: str, **fields: str) -> StreamAnswer:
        return self.answer(self.ask(path, fields))

    def ask(
        self, path: str, fields: dict[str, str] | None = None, body: bytes | None = None
    ) -> int:
        """The number of the stream; the request is on its way."""
        method = "GET" if body is None else "POST"
        head = {":method": method, ":scheme": "http", ":authority": "test", ":path": path}
        lines = [(name, value) for name, value in (head | (fields or {})).items()]
        encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in lines]
        number: int = self._session.send_request(encoded, end_stream=body is None)
        if body is not None:
            self._session.send_data(number, body, end_stream=True)
        self._answers[number] = StreamAnswer()
        self._sock.sendall(self._session.data_to_send())
        return number

    def reset(self, number: int) -> None:
        self._session.reset_stream(number)
        self._sock.sendall(self._session.data_to_send())

    def answer(self, number: int) -> StreamAnswer:
        """The whole response of this stream."""
        answer = self._answers[number]
        while not answer.over:
            data = self._sock.recv(65536)
            assert data, "the server has closed the connection"
            self._session.receive_data(data)
            for event in self._session.events():
                self._take(event)
            self._sock.sendall(self._session.data_to_send())
        return answer

    def _take(self, event: Any) -> None:
        answer = self._answers.get(getattr(event, "stream_id", 0))
        if answer is None:
            return
        if isinstance(event, ngh2.ResponseReceived):
            fields = {name.decode(): value.decode() for name, value in event.headers}
            answer.status, answer.fields = int(fields.pop(":status")), fields
        if isinstance(event, ngh2.DataReceived):
            answer.body += event.data
        if isinstance(event, ngh2.StreamReset):
            answer.over = answer.reset = True
        answer.over |= getattr(event, "end_stream", False)
