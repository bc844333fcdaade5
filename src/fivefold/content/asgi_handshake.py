"""The beginning of a websocket: which requests ask for one, and what is agreed (RFC 6455)."""

from __future__ import annotations

from websockets.datastructures import Headers

from ..errors import InvalidResponse
from ..http1.exchange import Exchange
from ..http1.request import fields_of
from .asgi_messages import Message
from .fields import CONTROL, NAME


def is_websocket(exchange: Exchange) -> bool:
    """Whether a request asks for one (RFC 6455, section 4.2.1)."""
    connection = exchange.request.obeyed.get(b"connection")
    if connection is None or b"upgrade" not in connection.lower():
        return False
    if exchange.request.has_body:
        return False  # its body would be read as frames
    return exchange.request.method == "GET" and any(
        name == b"upgrade" and value.strip().lower() == b"websocket"
        for name, value in fields_of(exchange.request_head)
    )


def add_fields(headers: Headers, message: Message) -> None:
    """What the application adds to the handshake. Raises `InvalidResponse`."""
    subprotocol = message.get("subprotocol")
    if subprotocol is not None:
        headers["Sec-WebSocket-Protocol"] = subprotocol
    for name, value in message.get("headers", ()):
        if not NAME(name) or CONTROL(value):
            raise InvalidResponse(f"field {name!r}: {value!r} would break the handshake")
        headers[name.decode("latin-1")] = value.decode("latin-1")
