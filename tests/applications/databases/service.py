"""A FastAPI service before databases: one route for each way in which a request waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import sqlalchemy
from fastapi import FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import StreamingResponse
from starlette.requests import HTTPConnection

from applications.databases.libraries import LIBRARIES, LOST
from applications.notes_and_gates import note, pass_at

LATE_S = 0.02
"""Left to a query that takes a minute."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """What it yields is the state of requests on the same loop."""
    async with AsyncExitStack() as opened:
        libraries = {name: kind() for name, kind in LIBRARIES.items()}
        for library in libraries.values():
            await library.open()
            opened.push_async_callback(library.close)
        yield {"libraries": libraries}


app = FastAPI(lifespan=lifespan)


def opened(connection: HTTPConnection, name: str) -> Any:
    return connection.state.libraries[name]


@app.get("/double/{name}/{number}")
async def double(name: str, number: int, request: Request) -> int:
    """503 if the other server is away: it may be asked again."""
    try:
        return int(await opened(request, name).double(number))
    except LOST as error:
        raise HTTPException(503, repr(error)) from error
    except Exception as error:
        raise HTTPException(500, repr(error)) from error  # the test shows it


@app.get("/all/{number}")
async def everything(number: int, request: Request) -> dict[str, int]:
    """All of them at once, in tasks of one group."""
    async with asyncio.TaskGroup() as group:
        tasks = {
            name: group.create_task(library.double(number))
            for name, library in request.state.libraries.items()
        }
    return {name: task.result() for name, task in tasks.items()}


@app.get("/session/waits/{user}")
async def session_that_waits(user: str, request: Request) -> str:
    """A session that is kept by its task, and that nobody removes."""
    sessions = opened(request, "sqlalchemy").sessions
    assert not sessions.registry.has(), "another request's session"
    sessions().info["user"] = user
    twice = sqlalchemy.text("SELECT CAST(:user AS text)")
    assert (await sessions.execute(twice, {"user": user})).scalar_one() == user
    await sessions.commit()  # the connection goes back to the pool
    return str(sessions().info["user"])


@app.get("/session/at-once/{user}")
async def session_at_once(user: str, request: Request) -> str:
    """The same in a call that ends without having waited."""
    sessions = opened(request, "sqlalchemy").sessions
    assert not sessions.registry.has(), "another request's session"
    sessions().info["user"] = user
    return str(sessions().info["user"])


@app.get("/late/{name}/{mark}/{gate}")
async def late(name: str, mark: str, gate: str, request: Request) -> str:
    """A query that is given up in its middle."""

    async def expire() -> None:
        await pass_at(gate)
        limit.reschedule(asyncio.get_running_loop().time() + LATE_S)

    try:
        async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
            group.create_task(expire())
            await opened(request, name).linger(mark)
    except TimeoutError:
        return "given up"
    return "too quick"


@app.get("/waited-for/{name}/{mark}/{gate}")
async def waited_for(name: str, mark: str, gate: str, request: Request) -> str:
    """The same by `wait_for`."""
    query = asyncio.create_task(opened(request, name).linger(mark))
    await pass_at(gate)
    try:
        await asyncio.wait_for(query, LATE_S)
    except TimeoutError:
        return "given up"
    return "too quick"


@app.get("/watched/{name}/{mark}")
async def watched(name: str, mark: str, request: Request) -> None:
    """A query that is given up when the client leaves, by whoever listens for that."""

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    async with asyncio.TaskGroup() as group:
        query = group.create_task(opened(request, name).linger(mark))
        leaver = group.create_task(left())
        await asyncio.wait([query, leaver], return_when=asyncio.FIRST_COMPLETED)
        query.cancel()
        leaver.cancel()
    note(f"{mark} cancelled {query.cancelled()}")


@app.get("/stream/{name}/{mark}")
async def stream(name: str, mark: str, request: Request) -> StreamingResponse:
    """A query in the middle of a stream; Starlette cancels that when the client has left."""

    async def lines() -> AsyncIterator[bytes]:
        yield b"data: begun\n\n"
        try:
            await opened(request, name).linger(mark)
        except asyncio.CancelledError:
            note(f"{mark} cancelled True")
            raise

    return StreamingResponse(lines(), media_type="text/event-stream")


@app.get("/events/{channel}")
async def events(channel: str, request: Request) -> StreamingResponse:
    """Redis' published messages as server-sent events."""
    client = opened(request, "redis").client

    async def lines() -> AsyncIterator[bytes]:
        async with client.pubsub(ignore_subscribe_messages=True) as subscribed:
            await subscribed.subscribe(channel)
            yield b": subscribed\n\n"
            async for message in subscribed.listen():
                yield b"data: %s\n\n" % message["data"]

    return StreamingResponse(lines(), media_type="text/event-stream")


@app.post("/events/{channel}")
async def publish(channel: str, request: Request) -> int:
    """How many subscribers there were."""
    return int(await opened(request, "redis").client.publish(channel, await request.body()))


@app.websocket("/notifications/{channel}")
async def notifications(socket: WebSocket, channel: str) -> None:
    """PostgreSQL's notifications, one message each; what comes in is notified to all."""
    heard: asyncio.Queue[str] = asyncio.Queue()

    def hear(connection: Any, pid: int, channel: str, payload: str) -> None:
        heard.put_nowait(payload)

    async def pass_on() -> None:
        while True:
            await socket.send_text(await heard.get())

    await socket.accept()
    async with opened(socket, "asyncpg").pool.acquire() as connection:
        await connection.add_listener(channel, hear)
        passing = asyncio.create_task(pass_on())
        await socket.send_text("listening")
        try:
            async for text in socket.iter_text():
                await connection.execute("SELECT pg_notify($1, $2)", channel, text)
        finally:
            passing.cancel()
            await connection.remove_listener(channel, hear)
