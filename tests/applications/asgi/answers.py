"""Responses with something before, behind or instead of them: for the versions of HTTP alike."""

from __future__ import annotations

import asyncio
from typing import Any


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    await PATHS[scope["path"]](scope, receive, send)


async def begin(send: Any, *fields: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": fields})


async def read(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The size of its request's body."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message["more_body"]
    await begin(send)
    await send({"type": "http.response.body", "body": b"%d" % size})


async def unread(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await begin(send)
    await send({"type": "http.response.body", "body": b"no need"})


async def hints(scope: dict[str, Any], receive: Any, send: Any) -> None:
    for link in (b"</a.css>; rel=preload", b"</b.css>; rel=preload"):
        await send({"type": "http.response.early_hint", "links": [link]})
    await begin(send)
    await send({"type": "http.response.body", "body": b"hinted"})


async def raises(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """After a part of its response."""
    await begin(send)
    await send({"type": "http.response.body", "body": b"part", "more_body": True})
    await asyncio.sleep(0)
    raise ValueError("half-way")


async def short(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Less than it said."""
    await begin(send, (b"content-length", b"10"))
    await send({"type": "http.response.body", "body": b"part"})


async def long(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """More than it said."""
    await begin(send, (b"content-length", b"4"))
    await send({"type": "http.response.body", "body": b"part", "more_body": True})
    await send({"type": "http.response.body", "body": b" and more"})


async def forbidden(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Fields of a connection, which HTTP/2 has not (RFC 9113, section 8.2.2)."""
    fields = [(b"connection", b"close"), (b"keep-alive", b"9"), (b"X-Mixed", b"Case")]
    await begin(send, *fields)
    await send({"type": "http.response.body", "body": b"ok"})


async def named(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Which name its request has."""
    fields = dict(scope["headers"])
    await begin(send)
    await send({"type": "http.response.body", "body": fields.get(b"x-request-id", b"")})


PATHS = {
    "/read": read,
    "/unread": unread,
    "/hints": hints,
    "/raises": raises,
    "/short": short,
    "/long": long,
    "/forbidden": forbidden,
    "/named": named,
}
