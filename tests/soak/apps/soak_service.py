"""The service of the soak: FastAPI before PostgreSQL, with uploads, events and websockets."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

EVENT_S = 0.02


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """A pool for each loop; small, since `process` has many loops."""
    pool = asyncpg.create_pool(os.environ["POSTGRES_URL"], min_size=0, max_size=2)
    async with pool:
        yield {"pool": pool}


api = FastAPI(lifespan=lifespan)


@api.get("/double/{number}")
async def double(number: int, request: Request) -> int:
    return int(await request.state.pool.fetchval("SELECT $1::bigint * 2", number))


@api.get("/large/{size}")
async def large(size: int) -> Response:
    return Response(bytes(range(256)) * (size // 256), media_type="application/octet-stream")


@api.post("/digest")
async def digest(request: Request) -> str:
    digest = hashlib.sha256()
    async for part in request.stream():
        digest.update(part)
    return digest.hexdigest()


@api.get("/events/{count}")
async def events(count: int) -> StreamingResponse:
    async def lines() -> AsyncIterator[bytes]:
        for number in range(count):
            yield b"data: %d\n\n" % number
            await asyncio.sleep(EVENT_S)

    return StreamingResponse(lines(), media_type="text/event-stream")


@api.websocket("/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    with suppress(WebSocketDisconnect):  # between hearing and answering
        async for text in socket.iter_text():
            await socket.send_text(text[::-1])


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Each response says which process it comes from."""

    async def signed(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-worker", b"%d" % os.getpid())]
        await send(message)

    await api(scope, receive, signed)
