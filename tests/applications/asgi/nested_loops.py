"""An application whose handlers run the loop in which they run: what `nest_asyncio` is for."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import nest_asyncio

from applications.notes_and_gates import Receive, Scope, Send


def at_import() -> Any:
    """A factory: most libraries that need it apply it when they are imported."""
    nest_asyncio.apply()
    return app


async def part(steps: int) -> str:
    for _ in range(steps):
        await asyncio.sleep(0.001)
    return "nested"


async def until_complete(receive: Receive) -> str:
    said: str = asyncio.get_running_loop().run_until_complete(part(3))
    return said


async def run(receive: Receive) -> str:
    return asyncio.run(part(3))


async def received(receive: Receive) -> str:
    """The inner run waits for the client, by an operation of the server's."""

    async def body() -> str:
        parts = b""
        while True:
            message = await receive()
            parts += message["body"]
            if not message["more_body"]:
                return str(parts, "ascii")

    return asyncio.run(body())


async def from_callback(receive: Receive) -> str:
    """An inner run around which no task is current."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str] = loop.create_future()
    loop.call_soon(lambda: done.set_result(asyncio.run(part(3))))
    return await done


async def failed(receive: Receive) -> str:
    """An inner run that fails ends by its own outcome, and nobody else's."""

    async def inner() -> None:
        await asyncio.sleep(0.001)
        raise LookupError("inner")

    try:
        asyncio.run(inner())
    except LookupError as error:
        return str(error)
    return ""


async def plain(receive: Receive) -> str:
    return str(os.getpid())


WAYS: dict[str, Callable[[Receive], Awaitable[str]]] = {
    f"/{function.__name__}": function
    for function in (until_complete, run, received, from_callback, failed, plain)
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise NotImplementedError
    if scope["path"] != "/plain":
        nest_asyncio.apply()
    task = asyncio.current_task()
    said = await WAYS[scope["path"]](receive)
    body = json.dumps([said, asyncio.current_task() is task]).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
