"""Applications whose spans belong to those of the server; one for each interface, alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry import baggage, trace

TRACER = "the application"


def step(name: str) -> bytes:
    """A span of the application; its number, and what the client has sent along."""
    with trace.get_tracer(TRACER).start_as_current_span(name) as span:
        number = span.get_span_context().span_id
    return f"{number:016x} {baggage.get_baggage('order')}\n".encode()


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    body = step(path)
    if path == "/fail":
        raise ValueError("of the application")
    if path == "/parts":
        start_response("200 OK", [("Content-Length", str(3 * len(body)))])
        return parts(body)
    start_response(f"{path[1:] or 200} Status", [("Content-Length", str(len(body)))])
    return [body]


def parts(first: bytes) -> Iterator[bytes]:
    yield first
    yield step("/parts")
    yield step("/parts")


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    path = scope["path"]
    body = step(path)
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        step(path)
        return
    if path == "/fail":
        raise ValueError("of the application")
    count = 3 if path == "/parts" else 1
    status = int(path[1:]) if path[1:].isdigit() else 200
    fields = [(b"content-length", b"%d" % (count * len(body)))]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    while count := count - 1:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        body = step(path)
    await send({"type": "http.response.body", "body": body})
