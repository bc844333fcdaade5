"""What is asked for at the address of `--status`, by its path.

Facts.        A page of another site cannot read what is answered here, but it may have the browser
              ask: the answer is only hidden from it.  Where the name of its own site comes to lead
              to the loopback (DNS rebinding), it is of the same origin, and reads everything.
Choice.       At the loopback a name with a dot in it, which might be anybody's in the DNS, is
              refused.  What another site's page asks for by itself is refused everywhere: it could
              take the places of all viewers.
Assumption.   Browsers say Host, and Sec-Fetch-Site of what they trust, as the loopback.  At another
              address, which the user has named, any name may be a good one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable

from ..content.base import Content
from ..errors import ProtocolError
from ..http1.exchange import Exchange
from ..http1.response import Response

Route = Callable[[Exchange], Awaitable[None]]

READING = ("GET", "HEAD")

NEVER_STORED = (b"Cache-Control", b"no-store")

ASKED_BY_PAGE = re.compile(rb"\r\n(?i:sec-fetch-site):[ \t]*(?:cross|same)-site[ \t]*\r\n")
"""What a browser says of a request that a page of another origin has made (Fetch Metadata)."""

NAVIGATES = re.compile(rb"\r\n(?i:sec-fetch-mode):[ \t]*navigate[ \t]*\r\n")
"""A person has followed a link."""


class StatusContent(Content):
    """Content like a server's own, for the same connection coroutine."""

    def __init__(self, routes: dict[bytes, Route]) -> None:
        self._routes = routes

    async def respond(self, exchange: Exchange) -> None:
        request = exchange.request
        check_origin(exchange)
        route = self._routes.get(request.target.partition(b"?")[0])
        if route is None:
            paths = b", ".join(self._routes).decode()
            raise ProtocolError(404, f"There is nothing here; look at {paths}.")
        if request.method not in READING:
            raise ProtocolError(405, "", [(b"Allow", b"GET, HEAD")])
        await route(exchange)


def answering(status: int, kind: bytes, body: bytes) -> Response:
    return Response(status, [(b"Content-Type", kind), NEVER_STORED], body)


def check_origin(exchange: Exchange) -> None:
    """Raises `ProtocolError` if a page of another site may have asked."""
    host = exchange.request.host
    if is_loopback(exchange.conn.local[0]) and may_be_anybodys(host):
        raise ProtocolError(
            421,
            f"The loopback does not answer as {host.decode('latin-1')}: a page elsewhere might read"
            " it. Ask for localhost or for the address; a proxy in front sets such a Host.",
        )
    head = exchange.request_head
    if ASKED_BY_PAGE.search(head) and not NAVIGATES.search(head):
        raise ProtocolError(403, "A page of another site asks for this.")


def is_loopback(address: str) -> bool:
    """Of an address of ours, or the path of a UNIX socket, which no browser reaches."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def may_be_anybodys(host: bytes) -> bool:
    """Of what `Host` says, a port behind it or not: whether it is a name of the DNS."""
    name = re.sub(rb":[0-9]*$", b"", host).removesuffix(b".").lower()
    if b"." not in name or name.endswith(b".localhost"):
        return False
    try:
        ipaddress.IPv4Address(name.decode("latin-1"))
    except ValueError:
        return not name.startswith(b"[")
    return False
