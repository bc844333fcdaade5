"""What is asked for at the address of `--status`, by its path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ..content.base import Content
from ..errors import ProtocolError
from ..http1.exchange import Exchange
from ..http1.response import Response

Route = Callable[[Exchange], Awaitable[None]]

READING = ("GET", "HEAD")

NEVER_STORED = (b"Cache-Control", b"no-store")


class StatusContent(Content):
    """Content like a server's own, for the same connection coroutine."""

    def __init__(self, routes: dict[bytes, Route]) -> None:
        self._routes = routes

    async def respond(self, exchange: Exchange) -> None:
        request = exchange.request
        route = self._routes.get(request.target.partition(b"?")[0])
        if route is None:
            paths = b", ".join(self._routes).decode()
            raise ProtocolError(404, f"There is nothing here; look at {paths}.")
        if request.method not in READING:
            raise ProtocolError(405, "", [(b"Allow", b"GET, HEAD")])
        await route(exchange)


def answering(status: int, kind: bytes, body: bytes) -> Response:
    return Response(status, [(b"Content-Type", kind), NEVER_STORED], body)
