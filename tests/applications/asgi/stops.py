"""Handlers that are in the middle of something when the server stops; their order is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from applications.asgi.websocket_sample import accept
from applications.notes_and_gates import Receive, Scope, Send, note, pass_at, record

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}


def part(data: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    record("shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Events for ever, until it is told."""
    await send(START)
    await send(part(b"begun"))
    while (message := await receive())["type"] != "http.disconnect":
        assert message["type"] == "http.request"
    await send(part(b"end", more=False))
    record("told")


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    """No stream: it has something to do first, and is not told."""
    note("called")
    listener = asyncio.ensure_future(left(receive))
    await pass_at("slow")
    assert not listener.done()
    await send(START)
    await send(part(b"whole", more=False))
    await listener
    record("answered")


async def left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def background(scope: Scope, receive: Receive, send: Send) -> None:
    """Work that goes on behind its response, in steps that need the loop."""
    await send(START)
    await send(part(b"accepted", more=False))
    await pass_at("background")
    for _ in range(10):
        await asyncio.sleep(0.001)
    record("worked")


async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
    """It listens to nobody, and holds what must be given back."""
    await send(START)
    async for data in events():
        await send(part(data))


async def events() -> AsyncIterator[bytes]:
    try:
        yield b"begun"
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        record("cancelled")
        raise
    finally:
        await asyncio.sleep(0)
        record("released")


async def talk(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
    record(f"code-{message['code']}")


async def late(scope: Scope, receive: Receive, send: Send) -> None:
    """It answers to the handshake when the server stops already."""
    assert (await receive())["type"] == "websocket.connect"
    note("called")
    await pass_at("late")
    await send({"type": "websocket.accept"})
    record(f"late-{(await receive())['code']}")


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    """More waits for it than is read ahead, so that nobody reads when the server stops."""
    await accept(receive, send)
    note("called")
    await pass_at("behind")
    taken = 0
    while (message := await receive())["type"] == "websocket.receive":
        taken += 1
    assert taken
    record(f"behind-{message['code']}")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        await globals()[scope["path"].strip("/")](scope, receive, send)
