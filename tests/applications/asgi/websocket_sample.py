"""An ASGI application with one websocket for each behaviour that a test asks about."""

from __future__ import annotations

import asyncio
import json

from applications.notes_and_gates import Message, Receive, Scope, Send, note, pass_at


class Trouble(Exception):
    """What goes wrong here on purpose."""


async def accept(receive: Receive, send: Send, subprotocol: str | None = None) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send(
        {
            "type": "websocket.accept",
            "subprotocol": subprotocol,
            "headers": [(b"x-accepted", b"yes")],
        }
    )


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Messages come back as they came; the end is noted."""
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
    note(json.dumps([message["type"], message["code"], message.get("reason")]))


async def silent_echo(scope: Scope, receive: Receive, send: Send) -> None:
    """The same without a note, for many at once."""
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def measure(scope: Scope, receive: Receive, send: Send) -> None:
    """Keeps nothing of a message, and says how long it was."""
    await accept(receive, send)
    while (size := len((await receive()).get("bytes") or b"")) > 0:
        await send({"type": "websocket.send", "text": str(size)})


async def describe(scope: Scope, receive: Receive, send: Send) -> None:
    offered = scope["subprotocols"]
    await accept(receive, send, subprotocol=offered[-1] if offered else None)
    shown = {key: scope[key] for key in ("type", "scheme", "path", "subprotocols", "client")}
    await send({"type": "websocket.send", "text": json.dumps(shown)})
    await receive()


async def close(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    await send({"type": "websocket.close", "code": 4321, "reason": "enough, märchen"})
    try:
        await send({"type": "websocket.send", "text": "more"})
    except OSError:
        note("OSError")
    note((await receive())["type"])


IMPOSSIBLE = [(code, "") for code in (1, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65536)]


async def impossible_closes(scope: Scope, receive: Receive, send: Send) -> None:
    """What cannot be in a frame is an error of the application, and closes nothing."""
    await accept(receive, send)
    refused = 0
    for code, reason in (*IMPOSSIBLE, (1000, "x" * 124)):
        try:
            await send({"type": "websocket.close", "code": code, "reason": reason})
        except Exception as error:  # noqa: BLE001 - whatever class it has
            refused += str(code) in str(error)
    await send({"type": "websocket.close", "code": 4000, "reason": str(refused)})


async def reject(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close"})


async def deny(scope: Scope, receive: Receive, send: Send) -> None:
    """A whole response instead of the handshake."""
    await receive()
    headers = [(b"content-type", b"text/plain"), (b"x-why", b"taste")]
    await send({"type": "websocket.http.response.start", "status": 418, "headers": headers})
    part = {"type": "websocket.http.response.body"}
    await send({**part, "body": b"not ", "more_body": True})
    await send({**part, "body": b"coffee"})


async def deny_and_waver(scope: Scope, receive: Receive, send: Send) -> None:
    """In the middle of a denial it tries what comes too late, says when that raised, closes."""
    await receive()
    start = {"type": "websocket.http.response.start", "status": 418, "headers": []}
    part = {"type": "websocket.http.response.body", "more_body": True}
    await send(start)
    await send({**part, "body": b"no"})
    for late in ({"type": "websocket.accept"}, start, {"type": "websocket.send", "text": "x"}):
        try:
            await send(late)
        except RuntimeError:
            await send({**part, "body": b"late"})
    await send({"type": "websocket.close"})


async def push(scope: Scope, receive: Receive, send: Send) -> None:
    """Send and never listen, until nobody is there."""
    await accept(receive, send)
    try:
        number = 0
        while True:
            await send({"type": "websocket.send", "text": str(number)})
            number += 1
            await asyncio.sleep(0)
    except OSError:
        note("OSError")


async def flood(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    for _ in range(256):
        await send({"type": "websocket.send", "bytes": bytes(65536)})
        note_progress()
    note("done")


def note_progress() -> None:
    progress.append(1)


progress: list[int] = []


async def slow_reader(scope: Scope, receive: Receive, send: Send) -> None:
    """Listens only when the test says so."""
    await accept(receive, send)
    note("waiting")
    await pass_at("slow")
    total = 0
    while (message := await receive())["type"] == "websocket.receive":
        total += len(message["bytes"])
        if not message["bytes"]:
            await send({"type": "websocket.send", "text": str(total)})


async def fail(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    raise Trouble("secret detail")


async def fail_early(scope: Scope, receive: Receive, send: Send) -> None:
    raise Trouble("secret detail")


async def cancel(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def ends(scope: Scope, receive: Receive, send: Send) -> None:
    await accept(receive, send)


async def too_early(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.send", "text": "hello"})


async def injecting(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "a\r\nX-Injected: 1"})


async def injecting_field(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept", "headers": [(b"x-a", b"1\r\nX-Injected: 1")]})


async def both_ways(scope: Scope, receive: Receive, send: Send) -> None:
    """One child listens, others send, as chat servers do."""
    await accept(receive, send)

    async def sender(name: str) -> None:
        for number in range(50):
            await send({"type": "websocket.send", "text": f"{name}{number}"})

    async def listen() -> Message:
        return await receive()

    async with asyncio.TaskGroup() as group:
        listener = group.create_task(listen())
        for name in "abc":
            group.create_task(sender(name))
    await send({"type": "websocket.send", "text": listener.result()["text"]})


async def two_listeners(scope: Scope, receive: Receive, send: Send) -> None:
    """Whoever receives, each message is received once."""
    await accept(receive, send)
    listeners = [asyncio.ensure_future(receive()) for _ in range(2)]
    await send({"type": "websocket.send", "text": "ready"})
    texts = sorted([message["text"] for message in await asyncio.gather(*listeners)])
    await send({"type": "websocket.send", "text": " ".join(texts)})


async def impatient(scope: Scope, receive: Receive, send: Send) -> None:
    """Waiting for a message may be given up, and the message is not lost."""
    await accept(receive, send)
    listener = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    listener.cancel()
    await asyncio.wait([listener])
    await send({"type": "websocket.send", "text": f"cancelled: {listener.cancelled()}"})
    message = await asyncio.wait_for(receive(), 30)
    await send({"type": "websocket.send", "text": message["text"]})


PATHS = {
    f"/{function.__name__.replace('_', '-')}": function
    for function in (
        *(
            echo,
            silent_echo,
            measure,
            describe,
            close,
            reject,
            deny,
            deny_and_waver,
            push,
            flood,
            slow_reader,
            fail,
        ),
        *(fail_early, cancel, ends, too_early, injecting, injecting_field, both_ways),
        *(two_listeners, impatient, impossible_closes),
    )
}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["type"] == "websocket":
        await PATHS[scope["path"]](scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"over http"})
