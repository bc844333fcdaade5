"""ASGI applications that give up sending to a slow client, and go on sending."""

from __future__ import annotations

import asyncio
from typing import Any

from applications.asgi.websocket_sample import accept
from applications.notes_and_gates import Receive, Scope, Send, folder, note

BLOCK = 5 * 1024 * 1024
"""More than the kernel takes of a client that reads nothing (net.ipv4.tcp_wmem: 4 MiB)."""

FIRST, SECOND, THIRD = b"1" * BLOCK, b"2" * BLOCK, b"3"

CHUNKED: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}


def sized(length: int) -> dict[str, Any]:
    return CHUNKED | {"headers": [(b"content-length", b"%d" % length)]}


def part(data: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def give_up(send: Send, message: dict[str, Any]) -> None:
    """As broadcasters do: whoever is slow misses something."""
    try:
        await asyncio.wait_for(send(message), 0.05)
    except TimeoutError:
        note("given up")
    else:
        note("sent")


async def in_chunks(receive: Receive, send: Send) -> None:
    await send(CHUNKED)
    await give_up(send, part(FIRST))
    await give_up(send, part(SECOND))  # its turn never comes
    await send(part(THIRD))
    await send(part(b"", more=False))


async def with_length(receive: Receive, send: Send) -> None:
    await send(sized(BLOCK + 1))
    await give_up(send, part(FIRST))
    await send(part(THIRD, more=False))


async def with_length_and_a_gap(receive: Receive, send: Send) -> None:
    """What never began is missing, and the length tells."""
    await send(sized(2 * BLOCK + 1))
    await give_up(send, part(FIRST))
    await give_up(send, part(SECOND))
    await send(part(THIRD, more=False))


async def a_file(receive: Receive, send: Send) -> None:
    path = folder() / "file"
    path.write_bytes(FIRST)
    await send(CHUNKED)
    await give_up(send, {"type": "http.response.pathsend", "path": str(path), "more_body": True})
    await send(part(THIRD, more=False))


async def the_last(receive: Receive, send: Send) -> None:
    """The whole response: nothing is left to say after it."""
    await send(CHUNKED)
    await give_up(send, part(FIRST, more=False))


async def by_its_task(receive: Receive, send: Send) -> None:
    """Cancelled from outside, again and again; it minds only the last time."""
    await send(CHUNKED)
    task = asyncio.ensure_future(send(part(FIRST)))
    while not task.done():
        await asyncio.sleep(0.05)
        task.cancel()
    note("given up")
    await send(part(THIRD, more=False))


async def plain(receive: Receive, send: Send) -> None:
    await send(sized(5))
    await send(part(b"plain", more=False))


async def messages(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    await give_up(send, {"type": "websocket.send", "bytes": FIRST})
    await give_up(send, {"type": "websocket.send", "bytes": SECOND})
    await send({"type": "websocket.send", "text": "third"})


async def acceptance(scope: Scope, receive: Receive, send: Send) -> None:
    """A handshake that no client takes at once."""
    assert (await receive())["type"] == "websocket.connect"
    accept = {"type": "websocket.accept", "headers": [(b"x-large", FIRST)]}
    await give_up(send, accept)
    await send({"type": "websocket.send", "text": "third"})


async def denial(scope: Scope, receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({**CHUNKED, "type": "websocket.http.response.start", "status": 403})
    await give_up(send, {"type": "websocket.http.response.body", "body": FIRST, "more_body": False})
    assert (await receive())["type"] == "websocket.disconnect"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    call = globals()[scope["path"].strip("/")]
    if scope["type"] == "websocket":
        await call(scope, receive, send)
    else:
        await call(receive, send)
