"""Websockets that end in every way but the usual one, and applications that do not mind."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
from typing import Any

from applications.asgi.listened_apart import listen_apart
from applications.asgi.websocket_sample import accept
from applications.notes_and_gates import Receive, Scope, Send, note
from fivefold.iomodels.interface import Connection


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
    note(json.dumps([message["type"], message["code"]]))


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    """From now on every receive of its connection fails as no other does."""

    async def recv() -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    for found in gc.get_objects():
        if isinstance(found, Connection) and found.peer == tuple(scope["client"]):
            vars(found)["recv"] = recv
    await echo(scope, receive, send)


async def mute(scope: Scope, receive: Receive, send: Send) -> None:
    """It waits before it answers to the handshake."""
    note("called")
    await never()


async def closed_in_handshake(scope: Scope, receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "websocket.connect"
    note("called")
    message = await receive()
    note(json.dumps([message["type"], message["code"]]))
    try:
        await send({"type": "websocket.accept"})
    except OSError:
        note("OSError")


async def listening_apart(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    await listen_apart(receive, send, {"type": "websocket.send", "bytes": bytes(65536)})


async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
    """It never listens once it has accepted."""
    await accept(receive, send)
    note("called")
    await never()


async def denying(scope: Scope, receive: Receive, send: Send) -> None:
    """A response instead of the handshake, which never ends."""
    await receive()
    await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
    part = {"type": "websocket.http.response.body", "body": b"begun", "more_body": True}
    await send(part)
    note("called")
    await never()


async def going_on(scope: Scope, receive: Receive, send: Send) -> None:
    """Work behind a websocket that is over."""
    await accept(receive, send)
    assert (await receive())["type"] == "websocket.disconnect"
    try:
        await send({"type": "websocket.send", "text": "in vain"})
    except OSError:
        note("OSError")
    note("went on")


LARGE = {"type": "websocket.send", "bytes": bytes(8 << 20)}
"""More than a client that takes nothing lets out."""


async def sending(scope: Scope, receive: Receive, send: Send) -> None:
    """It listens, and sends meanwhile."""

    async def listen() -> None:
        message = await receive()
        note(json.dumps([message["type"], message["code"]]))

    await accept(receive, send)
    listening = asyncio.ensure_future(listen())
    try:
        while True:
            await send(LARGE)
    except OSError:
        note("OSError")
    await listening


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"plain"})


async def app(scope: Scope, receive: Receive, send: Send) -> Any:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await globals()[scope["path"].strip("/")](scope, receive, send)
