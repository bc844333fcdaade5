"""The beginning of a websocket: which requests ask for one, and what is agreed (RFC 6455)."""

from __future__ import annotations

import logging

from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import enable_server_permessage_deflate
from websockets.server import ServerProtocol

from ..errors import InvalidResponse
from ..http1.exchange import Exchange
from ..http1.request import fields_of
from ..reporting import logger
from .asgi_messages import Message
from .fields import CONTROL, NAME

log = logger("fivefold.asgi.websocket")
log.setLevel(logging.WARNING)  # the library reports every connection that opens

COMPRESSION = enable_server_permessage_deflate(None)
"""The library's own choice for servers: 64 KiB per connection instead of 300."""


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


def protocol(message_bytes: int) -> ServerProtocol:
    """The server's side of the protocol; `message_bytes` is the largest message."""
    return ServerProtocol(extensions=COMPRESSION, max_size=message_bytes, logger=log)


def add_fields(headers: Headers, message: Message) -> None:
    """What the application adds to the handshake. Raises `InvalidResponse`."""
    subprotocol = message.get("subprotocol")
    if subprotocol is not None:
        headers["Sec-WebSocket-Protocol"] = subprotocol
    for name, value in message.get("headers", ()):
        if not NAME(name) or CONTROL(value):
            raise InvalidResponse(f"field {name!r}: {value!r} would break the handshake")
        headers[name.decode("latin-1")] = value.decode("latin-1")
