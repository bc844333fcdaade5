"""A handler that keeps the event loop: it sleeps, and does not await."""

from __future__ import annotations

import time
from typing import Any

SLEEPS_S = 0.02


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    time.sleep(SLEEPS_S)  # noqa: ASYNC251 - that is its fault
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})
