"""An ASGI application that keeps what belongs to its loop where real ones do: in its object."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import threading
import time
from typing import Any

from applications.notes_and_gates import Receive, Scope, Send, note, pass_at, record


class Pool:
    """As one of database connections: each is lent, given back, and belongs to its loop."""

    def __init__(self, size: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.free: asyncio.Queue[int] = asyncio.Queue()
        for number in range(size):
            self.free.put_nowait(number)


class Kept:
    """The application's `app.state`."""

    loop: asyncio.AbstractEventLoop
    pool: Pool
    event: asyncio.Event
    queue: asyncio.Queue[str]
    lock: asyncio.Lock
    thread = 0
    flooded = 0
    sockets: set[Send]


kept = Kept()


async def body(send: Send, data: bytes, *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def answer(send: Send, data: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await body(send, data)


async def where(scope: Scope, receive: Receive, send: Send) -> None:
    """Whether this is the loop, the thread and the state in which the application started."""
    same = {
        "loop": asyncio.get_running_loop() is kept.loop is kept.pool.loop,
        "thread": threading.get_ident() == kept.thread,
        "state": scope["state"]["pool"] is kept.pool,
    }
    await answer(send, json.dumps(same).encode())


async def wait(scope: Scope, receive: Receive, send: Send) -> None:
    note("waiting")
    await kept.event.wait()
    await answer(send, (await kept.queue.get()).encode())


async def release(scope: Scope, receive: Receive, send: Send) -> None:
    kept.event.set()
    kept.queue.put_nowait("from another")
    await answer(send, b"")


async def lend(scope: Scope, receive: Receive, send: Send) -> None:
    """More requests at once than the pool has, each with two turns of the loop."""
    async with kept.lock:
        await asyncio.sleep(0)
    number = await kept.pool.free.get()
    try:
        await asyncio.sleep(0)
    finally:
        kept.pool.free.put_nowait(number)
    await answer(send, b"lent")


async def impatient(scope: Scope, receive: Receive, send: Send) -> None:
    """Echoes a body that it waits for in many receives, most of which are cancelled."""
    parts, more, cancelled = [], True, 0
    while more:
        try:
            message = await asyncio.wait_for(receive(), 0.001)
        except TimeoutError:
            cancelled += 1
            if cancelled == 1:
                note("cancelled")
            continue
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    await answer(send, b"".join(parts))


async def flood(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(1000):
        await body(send, bytes(65536), more=True)
        kept.flooded += 1
    await body(send, b"")


async def flooded(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, str(kept.flooded).encode())


async def reluctant(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes one part of a body, then waits; then the rest."""
    size = len((await receive())["body"])
    await pass_at("gate")
    more = True
    while more:
        message = await receive()
        size += len(message["body"])
        more = message["more_body"]
    await answer(send, str(size).encode())


async def later(scope: Scope, receive: Receive, send: Send) -> None:
    """Goes on after its response."""
    await answer(send, b"now")
    note((await receive())["type"])
    await pass_at("gate")
    record("background")


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    note("waiting")
    try:
        await asyncio.Event().wait()
    finally:
        record("cancelled")


async def reuse(scope: Scope, receive: Receive, send: Send) -> None:
    """What it has sent is its own again."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    message = {"type": "http.response.body", "body": b"first", "more_body": False}
    await send(message)
    message["body"] = b"second"


async def together(scope: Scope, receive: Receive, send: Send) -> None:
    """The last part is sent while others wait for their turn; all have been sent then."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    parts = [asyncio.create_task(body(send, bytes(500_000), more=True)) for _ in range(3)]
    await asyncio.sleep(0)
    await body(send, b"")
    await asyncio.gather(*parts)
    note("all sent")


async def fork(scope: Scope, receive: Receive, send: Send) -> None:
    """The child goes on as if it were the server: at first in a step of its own, then in a task."""
    if scope["query_string"]:
        await asyncio.sleep(0.001)
    record("parent" if os.fork() else "child")
    await answer(send, b"forked")


async def mark(scope: Scope, receive: Receive, send: Send) -> None:
    """Leaves a mark wherever something can be left, and says whether there was one."""
    places = [scope, scope["asgi"], scope["state"], *scope["extensions"].values()]
    found = [place for place in (*places, scope["extensions"]) if "marked" in place]
    for place in places:
        place["marked"] = {}
    scope["extensions"]["marked"] = {}
    scope["headers"].append((b"marked", b""))
    await answer(send, json.dumps([str(place) for place in found]).encode())


async def slow_end(scope: Scope, receive: Receive, send: Send) -> None:
    """From now on the shutdown takes longer than the grace time, and what follows, too."""

    def last() -> None:
        time.sleep(1.3)
        record("atexit")

    atexit.register(last)
    kept.flooded = -1
    await answer(send, b"")


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    kept.loop, kept.thread = asyncio.get_running_loop(), threading.get_ident()
    kept.event, kept.lock = asyncio.Event(), asyncio.Lock()
    kept.queue, kept.sockets = asyncio.Queue(), set()
    await asyncio.sleep(0)
    kept.pool = scope["state"]["pool"] = Pool(2)
    record("started")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    record("stopping")
    if kept.flooded < 0:
        await asyncio.sleep(1.0)
    record("stopped")
    await send({"type": "lifespan.shutdown.complete"})


async def room(scope: Scope, receive: Receive, send: Send) -> None:
    """What one says all hear."""
    await receive()
    await send({"type": "websocket.accept"})
    kept.sockets.add(send)
    await send({"type": "websocket.send", "text": "joined"})
    try:
        while (message := await receive())["type"] == "websocket.receive":
            for each in tuple(kept.sockets):
                await each({"type": "websocket.send", "text": message["text"]})
    finally:
        kept.sockets.discard(send)
        record("left")


PATHS: dict[str, Any] = {
    f"/{function.__name__}": function
    for function in (
        *(where, wait, release, lend, impatient, flood, flooded, reluctant, later, never, slow_end),
        *(reuse, together, fork, mark),
    )
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["type"] == "websocket" and scope["path"] == "/http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
    elif scope["type"] == "websocket":
        await room(scope, receive, send)
    else:
        await PATHS[scope["path"]](scope, receive, send)
