"""A Starlette application with middleware, streams, files, background work, websockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from applications.notes_and_gates import folder, note


class Marking(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["X-Marked"] = "yes"
        return response


async def home(request: Request) -> Response:
    return JSONResponse({"greeting": request.state.greeting, "query": dict(request.query_params)})


async def form(request: Request) -> Response:
    async with request.form() as form:
        file: Any = form["file"]
        return JSONResponse({"name": form["name"], "size": len(await file.read())})


async def echo(request: Request) -> Response:
    """Read first: a StreamingResponse listens for its client's end, and whatever part of the
    request it hears instead is lost, on every server that announces less than ASGI 2.4."""
    whole = [part async for part in request.stream()]

    async def parts() -> AsyncIterator[bytes]:
        for part in whole:
            yield part

    return StreamingResponse(parts())


async def endless(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield bytes(65536)

    return StreamingResponse(parts())


async def file(request: Request) -> Response:
    return FileResponse(folder() / "static" / "site.css")


async def background(request: Request) -> Response:
    return JSONResponse("accepted", background=BackgroundTask(note, "worked"))


def in_thread(request: Request) -> Response:
    return JSONResponse("from a thread")


async def fail(request: Request) -> Response:
    raise RuntimeError("secret detail")


async def websocket(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[dict[str, str]]:
    yield {"greeting": "hello"}


def app() -> Starlette:
    return Starlette(
        lifespan=lifespan,
        middleware=[Middleware(Marking)],
        routes=[
            Route("/", home),
            Route("/form", form, methods=["POST"]),
            Route("/echo", echo, methods=["POST"]),
            Route("/endless", endless),
            Route("/file", file),
            Route("/background", background),
            Route("/in-thread", in_thread),
            Route("/fail", fail),
            WebSocketRoute("/ws", websocket),
            Mount("/static", StaticFiles(directory=folder() / "static")),
        ],
    )
