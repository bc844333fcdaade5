"""What is answered to plain HTTP where TLS is spoken: the same address with https."""

from __future__ import annotations

import re

from ..content.base import Content
from ..errors import ProtocolError
from ..http1.exchange import Exchange
from ..http1.explaining.explained import moved

HTTPS_PORT = 443

PORT = re.compile(rb":\d*$")
"""Of a Host field; `[::1]` has colons of its own, but ends with none."""


class PlainHttp(Content):
    """Content that sends to https, or refuses."""

    def __init__(self, port: int | None) -> None:
        """`port`: where TLS is spoken; None if no client is redirected."""
        self._port = port

    async def respond(self, exchange: Exchange) -> None:
        """Raises `ProtocolError`."""
        request = exchange.request
        exchange.keep = False
        if self._port is None:
            raise ProtocolError(400, "This port speaks HTTPS: begin the address with https://.")
        host = PORT.sub(b"", request.host)
        if not host or not request.target.startswith(b"/"):
            raise ProtocolError(400, "This page is at https://, but the request names no host.")
        port = b"" if self._port == HTTPS_PORT else b":%d" % self._port
        # 308 keeps the method and the body, where there may be one (RFC 9110, section 15.4.9).
        status = 301 if request.method in ("GET", "HEAD") else 308
        location = b"https://%b%b%b" % (host, port, request.target)
        await exchange.answer(moved(exchange, status, location))
