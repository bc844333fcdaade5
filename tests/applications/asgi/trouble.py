"""An ASGI application that raises whatever can be raised, whenever it can be."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from applications.notes_and_gates import Receive, Scope, Send
from applications.odd_exceptions import ODD


class OwnBase(BaseException):
    """As gevent.Timeout, func_timeout's, and others that are no `Exception`."""


KINDS: dict[str, BaseException] = {
    "exception": ValueError("secret detail"),
    "cancelled": asyncio.CancelledError("secret detail"),
    "keyboard": KeyboardInterrupt("secret detail"),
    "exit": SystemExit(3),
    "generator": GeneratorExit("secret detail"),
    "own": OwnBase("secret detail"),
    "group": BaseExceptionGroup("secret detail", [SystemExit(1), ValueError("b")]),
    "stop": RuntimeError("coroutine ignored GeneratorExit"),
    "memory": MemoryError("secret detail"),
    "recursion": RecursionError("secret detail"),
    **{kind.__name__: kind("secret detail") for kind in ODD},
}

MOMENTS = ("first", "later", "head", "begun", "child")


async def fail(kind: str) -> None:
    raise KINDS[kind]


async def pause() -> None:
    """What needs the loop, so that this is no longer the first step."""
    await asyncio.sleep(0.001)


async def http(scope: Scope, send: Send) -> None:
    kind, moment = scope["query_string"].decode().split("&")
    if moment == "later":
        await pause()
    if moment in ("head", "begun"):
        await send({"type": "http.response.start", "status": 200, "headers": []})
    if moment == "begun":
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        await pause()
    if moment == "child":
        await asyncio.create_task(fail(kind))
    await fail(kind)


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    kind, moment = scope["query_string"].decode().split("&")
    await receive()
    if moment == "later":
        await pause()
    if moment == "begun":
        await send({"type": "websocket.accept"})
        await receive()
    await fail(kind)


async def orphans(send: Send) -> None:
    """Tasks of its own that nobody awaits raise what asyncio lets out of its loop."""
    for kind in KINDS:
        task = asyncio.create_task(fail(kind))
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
    await pause()
    asyncio.get_running_loop().call_soon(exit_at_once)
    asyncio.get_running_loop().stop()
    await pause()
    await answer(send, b"alive")


def exit_at_once() -> None:
    raise SystemExit(4)


async def stubborn(send: Send) -> None:
    """Swallows each cancellation, its own included."""
    task = asyncio.current_task()
    assert task is not None
    swallowed = 0
    for _ in range(3):
        task.cancel()
        try:
            await pause()
        except asyncio.CancelledError:
            swallowed += 1
    await answer(send, b"swallowed %d" % swallowed)


async def answer(send: Send, data: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": data})


async def app(scope: Scope, receive: Receive, send: Send) -> Any:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["type"] == "websocket":
        await websocket(scope, receive, send)
    elif scope["path"].startswith("/raise"):
        await http(scope, send)
    elif scope["path"] == "/orphans":
        await orphans(send)
    elif scope["path"] == "/stubborn":
        await stubborn(send)
    elif scope["path"] == "/changed":
        scope.clear()
        raise ValueError("secret detail")
    else:
        await answer(send, b"%d" % os.getpid())


def plain(scope: Scope, receive: Receive, send: Send) -> Any:
    """Called, it raises; or gives back what can be awaited and is no coroutine."""
    if scope["type"] != "http":
        raise NotImplementedError
    if scope["path"] == "/sync":
        raise OwnBase("secret detail")
    if scope["path"] == "/none":
        return None
    return asyncio.ensure_future(answer(send, b"a future"))
