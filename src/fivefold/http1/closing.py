"""How a connection is closed: so that its client can still read the answer, whatever fails, and
within a model that closes."""

from __future__ import annotations

from time import monotonic

from ..isolation.reporting import logger, report
from .stream import HttpConnection

log = logger("fivefold.http")


async def linger(conn: HttpConnection, seconds: float) -> None:
    """Before a close: what the client still sends would turn it into a reset, which may
    destroy the answer on its way (RFC 9112, section 9.6)."""
    conn.shutdown_send()
    # It owes us nothing: no reset when its time is over.
    conn.begin_waiting(monotonic() + seconds)
    while await conn.recv():
        pass


async def closed(conn: HttpConnection) -> None:
    try:
        await conn.close()
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001 - its descriptor may be lost, nothing else
        report(log, "a connection could not be closed", error=error)


def close_at_once(conn: HttpConnection) -> None:
    """Close inside a model that closes: no event would end a wait there."""
    closing = closed(conn)
    try:
        closing.send(None)
    except StopIteration:
        return
    closing.close()
