"""Handlers that keep the thread until somebody writes a byte into a named pipe for each."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

OK = [("Content-Type", "text/plain")]


def pass_the_gate(query: str) -> bytes:
    """As a handler that takes long: nothing else of this thread goes on meanwhile."""
    with Path(parse_qs(query)["gate"][0]).open("rb", buffering=0) as gate:
        return gate.read(1)


def wsgi(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", OK)
    return [pass_the_gate(environ["QUERY_STRING"])]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/later":
        await asyncio.sleep(0)  # goes on in a callback of the loop
    body = pass_the_gate(scope["query_string"].decode())
    fields = [(name.lower().encode(), value.encode()) for name, value in OK]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})
