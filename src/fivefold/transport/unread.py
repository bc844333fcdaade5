"""Giving back what was received, for whoever reads the connection next."""

from __future__ import annotations

from ..iomodels.base import Connection


def unread(conn: Connection, data: bytes) -> None:
    """Let the next `recv` return `data`, at once."""

    async def first() -> bytes:
        del conn.recv  # the method of its class is there again
        return data

    conn.recv = first  # type: ignore[method-assign]
