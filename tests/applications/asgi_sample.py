"""An ASGI application whose paths do what applications do, well and badly."""

from __future__ import annotations

import asyncio
import contextvars
import os
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]

leak: contextvars.ContextVar[str] = contextvars.ContextVar("leak", default="clean")


async def start(send: Send, status: int = 200, *headers: tuple[bytes, bytes], **more: Any) -> None:
    fields = [(b"content-type", b"text/plain"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": fields, **more})


async def body(send: Send, data: bytes, *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def text(send: Send, words: object) -> None:
    await start(send)
    await body(send, str(words).encode())


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await text(send, "Hello, World!")


async def describes(scope: Scope, receive: Receive, send: Send) -> None:
    plain = {k: v for k, v in scope.items() if k not in ("state", "extensions", "app")}
    await text(send, repr({**plain, "extensions": list(scope["extensions"])}))


async def state(scope: Scope, receive: Receive, send: Send) -> None:
    scope["state"]["shared"].append(1)
    scope["state"]["own"] = scope["state"].get("own", 0) + 1
    await text(send, f"{scope['state']['started']} {scope['state']['own']}")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Part by part, as it comes."""
    await start(send)
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await body(send, message.get("body", b""), more=more)


async def counts(scope: Scope, receive: Receive, send: Send) -> None:
    total, more = 0, True
    while more:
        message = await receive()
        total += len(message.get("body", b""))
        more = message.get("more_body", False)
    await text(send, total)


async def waits_for_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    """Until the client has left; then it writes a file."""
    await receive()
    await start(send)
    await body(send, b"begun", more=True)
    message = await receive()
    try:
        await body(send, b"x", more=True)
    except OSError:
        Path(scope["query_string"].decode()).write_text(message["type"])


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """Counts, in a file, the parts that `send` has taken."""
    await start(send)
    with Path(scope["query_string"].decode()).open("w") as log:
        try:
            while True:
                await body(send, bytes(65536), more=True)
                log.write(".")
                log.flush()
        except OSError:
            log.write("end")


async def child_tasks(scope: Scope, receive: Receive, send: Send) -> None:
    """Several tasks that send at once: each part whole, none lost."""
    await start(send)
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(body(send, b"%d" % (number % 10) * 100_000, more=True))
    await body(send, b"")


async def tasks(scope: Scope, receive: Receive, send: Send) -> None:
    assert asyncio.current_task() is not None
    try:
        async with asyncio.timeout(0.001):
            await asyncio.sleep(60)
    except TimeoutError:
        pass
    loop = asyncio.get_running_loop()
    in_thread = await loop.run_in_executor(None, sum, (1, 2))
    process = await asyncio.create_subprocess_exec("echo", "sub", stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    await text(send, f"{in_thread} {out.decode().strip()} {process.returncode}")


async def context(scope: Scope, receive: Receive, send: Send) -> None:
    before = leak.get()
    leak.set("leaked")
    await asyncio.sleep(0)
    assert leak.get() == "leaked"
    await text(send, before)


async def cancels_itself(scope: Scope, receive: Receive, send: Send) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(60)


async def path(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await send({"type": "http.response.pathsend", "path": scope["query_string"].decode()})


async def descriptor(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    with Path(scope["query_string"].decode()).open("rb") as file:
        message = {"type": "http.response.zerocopysend", "file": file, "offset": 10, "count": 90}
        await send({**message, "more_body": True})
        await body(send, b"end")


async def trailers(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, trailers=True)
    await body(send, b"content")
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"7")]})


async def hints(scope: Scope, receive: Receive, send: Send) -> None:
    links = [b"</style.css>; rel=preload; as=style"]
    await send({"type": "http.response.early_hint", "links": links})
    await text(send, "hinted")


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("a secret")


async def fails_late(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, b"first", more=True)
    raise RuntimeError("in the middle")


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """Returns without an answer."""


async def injects(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, 200, (b"x-name", b"a\r\nx-injected: b"))
    await body(send, b"")


async def waits_for_file(scope: Scope, receive: Receive, send: Send) -> None:
    while not Path(scope["query_string"].decode()).exists():
        await asyncio.sleep(0.005)  # a handler that sleeps
    await text(send, "there")


async def burns(scope: Scope, receive: Receive, send: Send) -> None:
    await text(send, sum(n * n for n in range(300_000)))


async def dies(scope: Scope, receive: Receive, send: Send) -> None:
    os._exit(9)


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    query = scope["query_string"].decode()
    if query == "reject":
        await send({"type": "websocket.close", "code": 4001})
        return
    if query == "deny":
        headers = [(b"content-type", b"text/plain")]
        await send({"type": "websocket.http.response.start", "status": 402, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": b"pay first"})
        return
    chosen = scope["subprotocols"][0] if scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-a", b"b")]})
    if query == "push":
        for number in range(3):
            await send({"type": "websocket.send", "text": str(number)})
        await send({"type": "websocket.close", "code": 4000, "reason": "enough"})
        return
    if query == "fail":
        raise RuntimeError("in a websocket")
    while (message := await receive())["type"] == "websocket.receive":
        kind = "text" if message.get("text") is not None else "bytes"
        await send({"type": "websocket.send", kind: message[kind]})
    if query:
        Path(query).write_text(f"{message['code']} {message.get('reason')}")


ROUTES: dict[str, Callable[[Scope, Receive, Send], Awaitable[None]]] = {
    "/": hello,
    "/scope": describes,
    "/state": state,
    "/echo": echo,
    "/counts": counts,
    "/waits": waits_for_the_end,
    "/endless": endless,
    "/child-tasks": child_tasks,
    "/tasks": tasks,
    "/context": context,
    "/cancels": cancels_itself,
    "/path": path,
    "/descriptor": descriptor,
    "/trailers": trailers,
    "/hints": hints,
    "/fails": fails,
    "/fails-late": fails_late,
    "/silent": silent,
    "/injects": injects,
    "/sleeps": waits_for_file,
    "/burns": burns,
    "/dies": dies,
    "/ws": websocket,
}


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    scope["state"]["started"] = "yes"
    scope["state"]["shared"] = []
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    else:
        await ROUTES[scope["path"].removeprefix(scope["root_path"])](scope, receive, send)
