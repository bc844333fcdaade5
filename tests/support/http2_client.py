"""A client that speaks HTTP/2 by the `h2` library, which has no code of the server's frames."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from support.client import MADE, Answer, Client

Fields = Sequence[tuple[str, str]]

WINDOW_BYTES = 1 << 20

DATA, GOAWAY = 0, 7

HEAD_BYTES = 9
"""Of a frame (RFC 9113, section 4.1)."""


@dataclass
class Stream:
    """What has come on one."""

    heads: list[dict[str, str]] = field(default_factory=list)
    """Interim responses, then the final one."""
    is_final: bool = False
    body: bytearray = field(default_factory=bytearray)
    trailers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None
    """The code of its reset."""

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


class Http2Client(Client):
    """One connection; `with Http2Client(address) as client`. Its windows open as it reads."""

    def __init__(
        self,
        address: tuple[str, int],
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        super().__init__(address, receive_buffer)
        MADE.add(self)
        self.scheme = "http"
        if tls is not None:
            self.scheme = "https"
            tls.set_alpn_protocols(["h2"])
            wrapped = tls.wrap_socket(self.sock, server_hostname="localhost")
            assert wrapped.selected_alpn_protocol() == "h2"
            self.sock = wrapped
        config = h2.config.H2Configuration(
            header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self.session = h2.connection.H2Connection(config)
        self.streams: dict[int, Stream] = {}
        self.goaway: h2.events.ConnectionTerminated | None = None
        self.closed = False
        self._unread = b""
        self._pinged = False
        self.paused: set[int] = set()
        """Streams whose windows stay as they are."""
        self._left: set[int] = set()
        """Streams that it has reset."""
        self.session.initiate_connection()
        self.session.increment_flow_control_window(WINDOW_BYTES)
        self.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sock.close()

    def flush(self) -> None:
        out = self.session.data_to_send()
        if out:
            self.sock.sendall(out)

    # Requests

    def begin(
        self, path: str, *, method: str = "GET", fields: Fields = (), end: bool = True
    ) -> int:
        """The head of a request; the number of its stream."""
        pseudo = [(":method", method), (":scheme", self.scheme), (":path", path)]
        return self.begin_with([*pseudo, (":authority", "test"), *fields], end=end)

    def begin_with(self, fields: Fields, *, end: bool = True) -> int:
        number: int = self.session.get_next_available_stream_id()
        self.streams[number] = Stream()
        self.session.send_headers(number, fields, end_stream=end)
        self.flush()
        return number

    def put_part(self, number: int, data: bytes, *, end: bool = False) -> None:
        """A part of its body, as far as the windows go; waits until they have opened for all."""
        session = self.session
        while data:
            size = min(
                len(data),
                session.local_flow_control_window(number),
                session.max_outbound_frame_size,
            )
            if size:
                part, data = data[:size], data[size:]
                session.send_data(number, part, end_stream=end and not data)
                self.flush()
                if end and not data:
                    return
            else:
                if self.streams[number].over:
                    return
                self.take()
        if end:
            session.end_stream(number)
            self.flush()

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        fields: Fields = (),
        body: bytes | None = None,
    ) -> Answer:
        """One exchange. Raises EOFError if it was broken off."""
        number = self.begin(path, method=method, fields=fields, end=body is None)
        if body is not None:
            self.put_part(number, body, end=True)
        return self.whole(number)

    def ask_json(self, path: str, **request: Any) -> Any:
        answer = self.ask(path, **request)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def leave_stream(self, number: int) -> None:
        self.session.reset_stream(number, 8)
        self._left.add(number)
        self.flush()

    def caught_up(self) -> None:
        """The server has understood all that was sent, and nothing that it sent lies in between."""
        self._pinged = False
        self.session.ping(b"caughtup")
        self.flush()
        self.until(lambda: self._pinged)

    # Responses

    def whole(self, number: int) -> Answer:
        """Raises EOFError for a stream that was broken off."""
        stream = self.streams[number]
        self.until(lambda: stream.over)
        if stream.reset is not None and not stream.ended:
            raise EOFError(f"reset with {stream.reset}, {len(stream.body)} bytes after the head")
        return self.head(number)

    def head(self, number: int) -> Answer:
        """The head and what has come of the body."""
        stream = self.streams[number]
        self.until(lambda: stream.is_final or stream.over)
        if not stream.is_final:
            raise EOFError(f"reset with {stream.reset}")
        head = stream.heads[-1]
        return Answer(int(head[":status"]), head, bytes(stream.body))

    def more(self, number: int, size: int = 1) -> bytes:
        """At least so much of the body that no call had yet; less at its end."""
        stream = self.streams[number]
        self.until(lambda: stream.over or len(stream.body) >= size)
        data, stream.body = stream.body, bytearray()
        return bytes(data)

    def until(self, ready: Callable[[], bool]) -> None:
        while not ready():
            self.take()

    def take(self) -> None:
        """What comes next. Raises EOFError if the server has closed."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            raise EOFError(f"closed; {self.goaway}")
        self._unread += data
        while len(self._unread) >= HEAD_BYTES:
            size = HEAD_BYTES + int.from_bytes(self._unread[:3], "big")
            if len(self._unread) < size:
                break
            frame, self._unread = self._unread[:size], self._unread[size:]
            if frame[3] == DATA and int.from_bytes(frame[5:HEAD_BYTES]) in self._left:
                # The library would answer each with another reset, and a server ends a connection
                # that resets a thousand times. What they took of its window comes back.
                if size > HEAD_BYTES:
                    self.session.increment_flow_control_window(size - HEAD_BYTES)
                continue
            if frame[3] == GOAWAY:
                self.flush()  # the library forgets what it has not sent
            for event in self.session.receive_data(frame):
                self._happened(event)
            if self.goaway is not None and not self.goaway.error_code:
                # The library takes it for the end, but streams go on (RFC 9113, section 6.8).
                self.session.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        self.flush()

    def at_end(self) -> bool:
        """Whether the server closes now. Waits for it."""
        try:
            while True:
                self.take()
        except EOFError:
            return True

    def _happened(self, event: Any) -> None:
        kind = type(event)
        if kind is h2.events.PingAckReceived:
            self._pinged = True
            return
        if kind is h2.events.ConnectionTerminated:
            self.goaway = event
            return
        stream = self.streams.get(getattr(event, "stream_id", None) or 0)
        if stream is None:
            return
        if kind in (h2.events.ResponseReceived, h2.events.InformationalResponseReceived):
            stream.heads.append(fields_of(event.headers))
            stream.is_final = kind is h2.events.ResponseReceived
        elif kind is h2.events.DataReceived:
            stream.body += event.data
            if event.stream_id not in self.paused:
                self.session.acknowledge_received_data(
                    event.flow_controlled_length, event.stream_id
                )
        elif kind is h2.events.TrailersReceived:
            stream.trailers = fields_of(event.headers)
        elif kind is h2.events.StreamEnded:
            stream.ended = True
        elif kind is h2.events.StreamReset:
            stream.reset = event.error_code


def fields_of(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    names = [name for name, _ in pairs]
    assert names == [name.lower() for name in names]
    return dict(pairs)
