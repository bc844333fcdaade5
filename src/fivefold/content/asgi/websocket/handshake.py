"""The beginning of a websocket: which requests ask for one, and what is agreed (RFC 6455).

The library judges the handshake before the application hears of it.  It is shown those fields
only that it needs: its own limits are narrower than the server's (cookies of 8 KiB, 128
fields), and it knows no HTTP/1.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from ....errors import InvalidResponse, ProtocolError
from ....http1.exchange import Exchange
from ....http1.limits import Limits
from ....http1.request import fields_of
from ....iomodels.interface import Connection
from ...application.fields import CONTROL, NAME
from ..client_watch import Watch
from ..messages import Message
from ..send_lock import SendLock
from .frames import Frames

SWITCHING = 101

OPENING = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
"""What `is_websocket` has seen."""

NEEDED = (b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions")

VERSION = ((b"Sec-WebSocket-Version", b"13"),)
"""With each refusal, so that a client of another version knows (RFC 6455, section 4.4)."""

EARLY_BYTES = 65536
"""What is taken of a client that does not wait for the answer to its handshake."""


def is_websocket(exchange: Exchange) -> bool:
    """Whether a request asks for one (RFC 6455, section 4.2.1). HTTP/1.0 cannot (RFC 9110,
    section 7.8), nor can a request whose body would be read as frames."""
    request = exchange.request
    if request.method != "GET" or not request.minor or request.has_body:
        return False
    fields = fields_of(exchange.request_head)
    return _has(fields, b"connection", b"upgrade") and _has(fields, b"upgrade", b"websocket")


def _has(fields: list[tuple[bytes, bytes]], wanted: bytes, token: bytes) -> bool:
    """Whether a field that is a list has this token, in whatever case."""
    return any(
        part.strip() == token
        for name, value in fields
        if name == wanted
        for part in value.lower().split(b",")
    )


def handshake(exchange: Exchange, limits: Limits, *, deflate: bool) -> tuple[Frames, Response]:
    """The protocol, and the 101 that the application may send. Raises `ProtocolError`."""
    frames = Frames(limits.websocket_message_bytes, deflate=deflate)
    needed = [b"%b: %b\r\n" % x for x in fields_of(exchange.request_head) if x[0] in NEEDED]
    frames.receive_data(b"".join((OPENING, *needed, b"\r\n")))
    events = frames.events_received()
    if not events:
        raise ProtocolError(431, "A field of the websocket's handshake is too long.", VERSION)
    assert isinstance(events[0], Request)
    answer = frames.accept(events[0])
    if answer.status_code != SWITCHING:
        raise ProtocolError(400, bytes(answer.body or b"").decode().strip(), VERSION)
    return frames, answer


def add_fields(headers: Headers, message: Message) -> None:
    """What the application adds to the handshake. Raises `InvalidResponse`."""
    fields = [(name, value) for name, value in message.get("headers", ())]
    subprotocol = message.get("subprotocol")
    if subprotocol is not None:
        fields.append((b"Sec-WebSocket-Protocol", subprotocol.encode()))
    for name, value in fields:
        if not NAME(name) or CONTROL(value):
            raise InvalidResponse(f"field {name!r}: {value!r} would break the handshake")
    for name, value in fields:
        headers[name.decode("latin-1")] = value.decode("latin-1")


class Pending:
    """A handshake that the application has not answered yet: its client may leave meanwhile."""

    def __init__(self, exchange: Exchange, turns: SendLock, left: Callable[[bool], None]) -> None:
        """`left` is called with whether that is certain, or the client only says no more."""
        self._watch = Watch(cast("Connection", exchange.conn), self)
        self._exchange = exchange
        self._turns = turns
        self._left = left

    def stop(self) -> None:
        """Let the next reader receive; what has come already is `beyond` the exchange."""
        self._watch.stop()

    def look(self) -> None:
        self._watch.look()

    def took(self, data: bytes) -> bool:
        self._exchange.beyond += data
        return len(self._exchange.beyond) < EARLY_BYTES

    def hung_up(self, *, certainly: bool) -> None:
        self._left(certainly)

    def fill(self) -> bool:
        return False

    def is_sending(self) -> bool:
        return self._turns.busy
