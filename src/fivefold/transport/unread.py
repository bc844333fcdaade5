"""Giving back what was received, for the layer that reads the connection next."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from ..iomodels.interface import Connection
from ..iomodels.overlay import Overlay


def unread(conn: Connection, data: bytes) -> None:
    """Let the next `recv` return `data`, at once."""
    pending = [data]

    def around(receive: Callable[[], Coroutine[Any, Any, bytes]]) -> Callable[..., Any]:
        async def first() -> bytes:
            if not pending:
                return await receive()
            overlay.lift()  # the method of its class is there again, and costs nothing more
            return pending.pop()

        return first

    overlay = Overlay(conn, recv=around)
