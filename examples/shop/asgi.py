"""The shop as an ASGI application: `fivefold serve shop.asgi:app --chdir examples`."""

from __future__ import annotations

import asyncio
from typing import Any

from .wsgi import GOODS


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ARG001 - ASGI gives it
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    path = scope["path"]
    if path == "/slow":
        await asyncio.sleep(0.01)  # a database would take as long
    name = path.removeprefix("/goods/")
    if path in {"/", "/slow"}:
        status, text = 200, "".join(f"{good}: {price}\n" for good, price in GOODS.items())
    elif name in GOODS:
        status, text = 200, f"{name}: {GOODS[name]}\n"
    else:
        status, text = 404, f"there is no {path}\n"
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
