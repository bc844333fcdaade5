"""A Quart application: JSON, a stream, a form, a websocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from quart import Quart, request, websocket

app = Quart(__name__)


@app.get("/")
async def home() -> Any:
    return {"args": dict(request.args)}


@app.post("/form")
async def form() -> Any:
    files = await request.files
    return {"form": dict(await request.form), "files": {k: len(f.read()) for k, f in files.items()}}


@app.get("/stream")
async def stream() -> Any:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            yield f"{number};".encode()

    return parts(), 200, {"Content-Type": "text/plain"}


@app.websocket("/ws")
async def ws() -> None:
    while True:
        await websocket.send((await websocket.receive())[::-1])
