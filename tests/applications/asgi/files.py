"""Starlette's FileResponse within middleware of several kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from applications.notes_and_gates import Message, Receive, Scope, Send, folder, note


class Deferring:
    """Holds the head back until the body comes, as brotli-asgi and others do: of messages it
    knows `http.response.start` and `http.response.body`, and drops what else it meets."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head: list[Message] = []

        async def deferred(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.append(message)
            elif message["type"] == "http.response.body":
                if head:
                    await send(head.pop())
                await send(message)

        await self._application(scope, receive, deferred if scope["type"] == "http" else send)


class Rewriting(BaseHTTPMiddleware):
    """Reads the response of the handler, and makes one of its own."""

    async def dispatch(self, request: Request, call_next: Any) -> Response:
        response = await call_next(request)
        body = b"".join([part async for part in response.body_iterator])
        return Response(body.upper(), headers={"X-Rewritten": "yes"})


async def file(request: Request) -> Response:
    extensions = request.scope["extensions"]
    note(" ".join(sorted(name for name in extensions if name.endswith("send"))) or "none")
    return FileResponse(folder() / "file")


def behind(*middleware: Any) -> Callable[[], Any]:
    """A factory."""
    return lambda: Starlette(
        routes=[Route("/file", file)],
        middleware=[Middleware(each) for each in middleware],
    )


alone = behind()
deferring = behind(Deferring)
rewriting = behind(Rewriting)
compressing = behind(GZipMiddleware)


async def by_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends the file that the path of the request names."""
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.pathsend", "path": scope["path"]})


async def by_descriptor(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})
    with open(scope["path"], "rb") as file:  # noqa: ASYNC230 - on a local disk
        await send({"type": "http.response.zerocopysend", "file": file})
