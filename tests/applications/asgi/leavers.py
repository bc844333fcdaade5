"""ASGI handlers that wait for ever, for clients that leave; frameworks' streams that do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from applications.asgi.listened_apart import end_of_sending, listen_apart
from applications.notes_and_gates import Receive, Scope, Send, note, pass_at

START = {"type": "http.response.start", "status": 200, "headers": []}
SIZED = START | {"headers": [(b"content-length", b"100")]}
PART = {"type": "http.response.body", "body": b"begun", "more_body": True}


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def begun(receive: Receive, send: Send) -> None:
    """It waits in the middle of a stream, and listens to nobody."""
    await send(START)
    await send(PART)
    await never()


async def sized(receive: Receive, send: Send) -> None:
    await send(SIZED)
    await send(PART)
    await never()


async def silent(receive: Receive, send: Send) -> None:
    """It waits before its response."""
    note("called")
    await never()


async def listening(receive: Receive, send: Send) -> None:
    await send(START)
    await send(PART)
    while (message := await receive())["type"] != "http.disconnect":
        pass
    note(message["type"])


async def persistent(receive: Receive, send: Send) -> None:
    """What it sends is all that tells it, and it does not mind."""
    await send(START)
    try:
        while True:
            await send(PART)
            await asyncio.sleep(0.01)
    except OSError:
        note("OSError")
    await pass_at("gate")
    note("went on")


async def listening_apart(receive: Receive, send: Send) -> None:
    await send(START)
    await send(PART)
    await listen_apart(receive, send, PART)


async def heedless(receive: Receive, send: Send) -> None:
    """One task is told, the other is never ended by it."""
    await send(START)
    sender = asyncio.create_task(end_of_sending(send, PART))
    while (await receive())["type"] != "http.disconnect":
        pass
    note(await sender)


async def slow(receive: Receive, send: Send) -> None:
    """A client that has said all it had to say gets the whole of it."""
    await send(START)
    for number in range(3):
        await send(PART)
        await pass_at(f"gate{number}")
    await send({"type": "http.response.body", "body": b"end"})


async def slow_to_begin(receive: Receive, send: Send) -> None:
    note("called")
    await pass_at("gate")
    await send(SIZED)
    await send({"type": "http.response.body", "body": b"1234567890" * 10})


async def hurried(receive: Receive, send: Send) -> None:
    """It listens, is told of the half-closed client, and answers all the same."""
    while (await receive())["type"] != "http.disconnect":
        pass
    await send(START)
    await send({"type": "http.response.body", "body": b"all the same"})


async def background(receive: Receive, send: Send) -> None:
    """Work behind a finished response; what it does with the exchange is in vain."""
    await send(START)
    await send({"type": "http.response.body", "body": b"accepted"})
    await pass_at("gate")
    note((await receive())["type"])
    try:
        await send(PART)
    except RuntimeError:
        note("RuntimeError")
    raise ValueError("background work fails")


async def lasting(receive: Receive, send: Send) -> None:
    """Work that needs its loop again and again after the connection has ended."""
    await send(START)
    await send({"type": "http.response.body", "body": b"accepted"})
    for _ in range(10):
        await asyncio.sleep(0.001)
    await pass_at("gate")
    note("worked")


async def plain(receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.body", "body": b"plain"})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise NotImplementedError
    await globals()[scope["path"].strip("/")](receive, send)


async def parts() -> AsyncIterator[bytes]:
    """What a framework streams: it waits, and is told when it ends."""
    try:
        yield b"begun"
        await never()
    finally:
        note("ended")


def starlette() -> Any:
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: Any) -> Response:
            response: Response = await call_next(request)
            return response

    async def stream(request: Request) -> Response:
        return StreamingResponse(parts())

    return Starlette(routes=[Route("/", stream)], middleware=[Middleware(Passing)])


def fastapi() -> Any:
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    app = FastAPI()

    @app.post("/")
    async def stream(body: dict[str, int]) -> StreamingResponse:
        return StreamingResponse(parts(), media_type="text/event-stream")

    return app


def quart() -> Any:
    from quart import Quart

    app = Quart(__name__)
    app.config["RESPONSE_TIMEOUT"] = None

    @app.get("/")
    async def stream() -> Any:
        return parts(), 200, {"Content-Type": "text/event-stream"}

    return app


def django() -> Any:
    import django as package
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpRequest, StreamingHttpResponse
    from django.urls import path

    async def stream(request: HttpRequest) -> Any:
        return StreamingHttpResponse(parts())

    urls = type("urls", (), {"urlpatterns": [path("", stream)]})
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls, SECRET_KEY="not a secret")
    package.setup()
    return get_asgi_application()
