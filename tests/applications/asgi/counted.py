"""Counts its own calls, and says how many there were at once: `/counts`."""

from __future__ import annotations

import asyncio
from typing import Any

calls = {"now": 0, "most": 0, "ended": 0}

BLOCK = bytes(65536)

FOURS = b"four and four and four.."


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    calls["now"] += 1
    calls["most"] = max(calls["most"], calls["now"])
    try:
        await PATHS.get(scope["path"], at_once)(receive, send)
    finally:
        calls["now"] -= 1
        calls["ended"] += 1


async def answer(send: Any, data: bytes | memoryview) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": data})


async def at_once(receive: Any, send: Any) -> None:
    await answer(send, b"ok")


async def counts(receive: Any, send: Any) -> None:
    await answer(send, "{now} {most} {ended}".format_map(calls).encode())


async def echo(receive: Any, send: Any) -> None:
    data, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        data, more = data + message["body"], message["more_body"]
    await answer(send, data)


async def stubborn(receive: Any, send: Any) -> None:
    """Does not look whether its client is still there."""
    await asyncio.sleep(0.5)
    await answer(send, b"late")


async def endless(receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": BLOCK, "more_body": True})


async def in_fours(receive: Any, send: Any) -> None:
    """A view whose items are larger than a byte."""
    await answer(send, memoryview(FOURS).cast("I"))


async def silent(receive: Any, send: Any) -> None:
    """Answers when its client has gone."""
    while (await receive())["type"] == "http.request":
        pass


PATHS = {
    "/counts": counts,
    "/echo": echo,
    "/stubborn": stubborn,
    "/endless": endless,
    "/silent": silent,
    "/in-fours": in_fours,
}
