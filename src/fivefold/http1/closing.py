"""How a connection is closed: so that its client can still read the answer, whatever fails, and
within a model that closes."""

from __future__ import annotations

from time import monotonic

from ..errors import DeadlineExceeded, FileChanged, PeerGone
from ..isolation.reporting import is_a, logger, report
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


def given_up(error: BaseException, conn: HttpConnection) -> None:
    """At this connection it was raised, and no client is answered for it any more. Raises nothing,
    and waits for nothing: it is called where the error is still held."""
    if is_a(error, PeerGone):
        pass  # the client has left, and cannot be told
    elif is_a(error, DeadlineExceeded):
        if not conn.idle:
            conn.reset_on_close()  # it takes nothing more of our answer
    elif is_a(error, FileChanged):
        log.warning("a file changed while it was sent: %s", error)
    elif is_a(error, GeneratorExit):
        close_at_once(conn)
    else:
        # The edge of a connection: one client's trouble must not become another's.
        report(log, "a connection failed", error=error)


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
