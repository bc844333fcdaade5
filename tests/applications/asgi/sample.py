"""An ASGI application with one path for each behaviour that a test asks about."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextvars import ContextVar
from typing import Any

from applications.notes_and_gates import (
    Receive,
    Scope,
    Send,
    burn_until,
    folder,
    note,
    pass_at,
    record,
    wait_at,
)

BLOCK_BYTES = 65536
BLOCK = bytes(BLOCK_BYTES)
BLOCKS = 512
TEXT = [(b"content-type", b"text/plain")]

user: ContextVar[str] = ContextVar("user", default="nobody")


class Trouble(Exception):
    """What goes wrong here on purpose."""


async def start(send: Send, status: int = 200, headers: Any = TEXT, **more: Any) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers, **more})


async def body(send: Send, data: bytes, *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def answer(send: Send, data: bytes) -> None:
    await start(send)
    await body(send, data)


async def whole(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


def readable(value: Any) -> Any:
    """For JSON: bytes as text, tuples as lists."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {key: readable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [readable(each) for each in value]
    return value


async def scope_as_json(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, json.dumps(readable(scope)).encode())


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, await whole(receive))


async def converse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer each part of the request before the next has come."""
    await start(send)
    more = True
    while more:
        message = await receive()
        more = message["more_body"]
        if message["body"]:
            await body(send, message["body"].upper(), more=True)
    await body(send, b"")


async def pushing(scope: Scope, receive: Receive, send: Send) -> None:
    """More than any buffer between us holds."""
    await start(send)
    for _ in range(BLOCKS):
        await body(send, BLOCK, more=True)
        record("sent")
    await body(send, b"")
    note("done")


async def left(scope: Scope, receive: Receive, send: Send) -> None:
    """The client leaves: `receive` says so, then `send` raises OSError."""
    await start(send)
    await body(send, b"begun", more=True)
    await receive()
    note((await receive())["type"])
    try:
        await body(send, b"more", more=True)
    except OSError:
        note("OSError")


async def left_while_sending(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    try:
        while True:
            await body(send, BLOCK, more=True)
    except OSError:
        note("OSError")
        raise


async def left_in_body(scope: Scope, receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "http.request":
        note("part")
    note(message["type"])


async def pathsend(scope: Scope, receive: Receive, send: Send) -> None:
    name = scope["query_string"].decode()
    await start(send)
    await send({"type": "http.response.pathsend", "path": os.fspath(folder() / name)})


async def zerocopysend(scope: Scope, receive: Receive, send: Send) -> None:
    """A range, the rest from the position, and something of our own behind it."""
    await start(send)
    with (folder() / "file").open("rb") as file:
        part = {"type": "http.response.zerocopysend", "file": file, "more_body": True}
        await send({**part, "offset": 1, "count": 3})
        os.lseek(file.fileno(), 8, os.SEEK_SET)
        await send({**part, "file": file.fileno()})
        await body(send, b"!")


async def trailers(scope: Scope, receive: Receive, send: Send) -> None:
    length = scope["query_string"]
    await start(send, headers=[(b"content-length", length)] if length else TEXT, trailers=True)
    await body(send, b"whole")
    end = {"type": "http.response.trailers"}
    await send({**end, "headers": [(b"x-sum", b"1")], "more_trailers": True})
    try:
        await send({**end, "headers": [(b"x-broken", b"1\r\nx-more: 1")]})
    except Exception:  # noqa: BLE001 - whatever says no: the right ones can still be sent
        pass
    else:
        raise AssertionError("taken")
    await send({**end, "headers": [(b"x-more", b"2")]})


async def hints(scope: Scope, receive: Receive, send: Send) -> None:
    links = [b"</style.css>; rel=preload", b"</x.js>; rel=preload"]
    await send({"type": "http.response.early_hint", "links": links})
    await answer(send, b"hinted")


async def context(scope: Scope, receive: Receive, send: Send) -> None:
    """Whatever is set in a context ends with the request."""
    before = user.get()
    user.set("somebody")
    await asyncio.sleep(0)
    seen = [user.get(), await asyncio.create_task(in_child())]
    await answer(send, json.dumps([before, *seen]).encode())


async def in_child() -> str:
    seen = user.get()
    user.set("the child's")
    return seen


async def tools(scope: Scope, receive: Receive, send: Send) -> None:
    """What an application may expect of asyncio."""
    assert asyncio.current_task() is not None
    loop = asyncio.get_running_loop()
    never = loop.create_future()
    try:
        async with asyncio.timeout(0.001):
            await never
    except TimeoutError:
        timed_out = True
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0, number)) for number in range(3)]
    in_thread = await loop.run_in_executor(None, sum, [1, 2, 3])
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-c", "print(input()[::-1])"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await child.communicate(b"olleh\n")
    results = [timed_out, [task.result() for task in tasks], in_thread, output.decode().strip()]
    await answer(send, json.dumps([*results, child.returncode]).encode())


async def timeouts(scope: Scope, receive: Receive, send: Send) -> None:
    """A timeout that is over at once cancels its task before that has ever waited."""
    inner = asyncio.get_running_loop().create_future()
    results = []
    try:
        async with asyncio.timeout(0):
            await inner
    except TimeoutError:
        results = ["timeout", inner.cancelled()]
    await asyncio.sleep(0)
    await answer(send, json.dumps(results).encode())


async def group_fails(scope: Scope, receive: Receive, send: Send) -> None:
    """A child fails, and the request's own task is cancelled and goes on."""

    async def child() -> None:
        raise Trouble

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(child())
            await asyncio.get_running_loop().create_future()
    except* Trouble:
        pass
    await answer(send, b"went on")


async def children(scope: Scope, receive: Receive, send: Send) -> None:
    """Receiving and sending are the children's work."""
    parts: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def reader() -> None:
        parts.put_nowait(await whole(receive))
        parts.put_nowait(None)

    async def writer() -> None:
        await start(send)
        while (part := await parts.get()) is not None:
            await body(send, part, more=True)

    async with asyncio.TaskGroup() as group:
        group.create_task(reader())
        group.create_task(writer())
    await asyncio.gather(*(body(send, b"abc"[n : n + 1], more=n < 2) for n in range(3)))


async def listening(scope: Scope, receive: Receive, send: Send) -> None:
    """As frameworks do: one child watches for the client's end while another answers."""
    await whole(receive)

    async def watch() -> None:
        await receive()
        note("left")

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0)
    await start(send)
    await body(send, b"a", more=True)
    await asyncio.sleep(0.001)
    await body(send, b"b")
    watcher.cancel()
    await asyncio.wait([watcher])


async def sees_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    """Once the response is complete, `receive` says that the exchange is over."""
    await answer(send, b"complete")
    await receive()
    note((await receive())["type"])


async def afterwards(scope: Scope, receive: Receive, send: Send) -> None:
    """Work that goes on behind a complete response."""
    await answer(send, b"complete")
    await pass_at("afterwards")
    note("worked")


async def fail_afterwards(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, b"complete")
    raise Trouble("for the log")


async def fail(scope: Scope, receive: Receive, send: Send) -> None:
    raise Trouble("secret detail")


async def fail_behind_head(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    raise Trouble("secret detail")


async def fail_midway(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, b"begun", more=True)
    raise Trouble("secret detail")


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def incomplete(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await body(send, b"begun", more=True)


async def leave(scope: Scope, receive: Receive, send: Send) -> None:
    raise SystemExit(3)


async def cancel(scope: Scope, receive: Receive, send: Send) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def too_long(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, headers=[(b"content-length", b"4")])
    await body(send, b"123456", more=True)
    await body(send, b"HTTP/1.1 200 OK\r\n\r\n")


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, headers=[(b"content-length", b"4")])
    while True:
        await body(send, b"123456", more=True)


async def too_short(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, headers=[(b"content-length", b"10")])
    await body(send, b"123")


async def bodiless(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, status=int(scope["query_string"]))
    await body(send, b"must", more=True)
    await body(send, b" not leave")


async def hop_by_hop(scope: Scope, receive: Receive, send: Send) -> None:
    """Frameworks do this, so it is not refused; but framing stays the server's."""
    await start(send, headers=[(b"transfer-encoding", b"chunked"), (b"connection", b"close")])
    await body(send, b"framed")


BAD_STARTS: dict[str, tuple[Any, Any]] = {
    "value": (200, [(b"x-a", b"1\r\nx-injected: 1")]),
    "value-lf": (200, [(b"x-a", b"1\nx-injected: 1")]),
    "name": (200, [(b"x-injected: 1\r\nx-a", b"1")]),
    "text": (200, [("x-a", "1")]),
    "status": ("200", []),
    "status-informational": (101, []),
    "no-pairs": (200, [b"x-a"]),
    "two-lengths": (200, [(b"content-length", b"1"), (b"content-length", b"2")]),
}


async def bad_start(scope: Scope, receive: Receive, send: Send) -> None:
    status, headers = BAD_STARTS[scope["query_string"].decode()]
    await start(send, status, headers)
    await body(send, b"must not leave")


async def bad_order(scope: Scope, receive: Receive, send: Send) -> None:
    await body(send, b"must not leave")


async def unknown_message(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await send({"type": "http.response.unheard_of"})


async def text_body(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await send({"type": "http.response.body", "body": "text"})


async def gate(scope: Scope, receive: Receive, send: Send) -> None:
    """Wait without blocking."""
    note("waiting")
    await pass_at(scope["query_string"].decode())
    await answer(send, b"passed")


async def block(scope: Scope, receive: Receive, send: Send) -> None:
    """Wait and block the thread, as an application must not do in a loop with others."""
    note("waiting")
    wait_at(scope["query_string"].decode())
    await answer(send, b"passed")


async def burn(scope: Scope, receive: Receive, send: Send) -> None:
    note("burning")
    burn_until(scope["query_string"].decode())
    await answer(send, b"burnt")


async def count(scope: Scope, receive: Receive, send: Send) -> None:
    """`state` is one dictionary per request, but what it refers to is shared."""
    scope["state"]["counter"].append(1)
    first = "mine" not in scope["state"]
    scope["state"]["mine"] = True
    await answer(send, json.dumps([len(scope["state"]["counter"]), first]).encode())


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["counter"] = []
    record("startup")
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    record("shutdown")
    await send({"type": "lifespan.shutdown.complete"})


PATHS = {
    f"/{function.__name__.replace('_', '-')}": function
    for function in (
        *(echo, converse, pushing, left, left_while_sending, left_in_body, pathsend),
        *(
            zerocopysend,
            trailers,
            hints,
            context,
            tools,
            timeouts,
            group_fails,
            children,
            listening,
        ),
        *(
            sees_the_end,
            afterwards,
            fail_afterwards,
            fail,
            fail_behind_head,
            fail_midway,
            nothing,
            incomplete,
        ),
        *(leave, cancel, too_long, endless, too_short, bodiless, hop_by_hop, bad_start, bad_order),
        *(unknown_message, text_body, gate, block, burn, count),
    )
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    assert scope["type"] == "http"
    await PATHS.get(scope["path"], scope_as_json)(scope, receive, send)


class Decorated:
    """An application that is an object, and whose coroutine is hidden by a decorator."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        return app(scope, receive, send)


async def without_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    assert scope["state"] == {}
    await answer(send, b"served")


async def start_fails(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database at all"})


async def shutdown_fails(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await answer(send, b"served")
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "cannot say goodbye"})
