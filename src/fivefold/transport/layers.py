"""What the layers between a connection and HTTP have in common: their edge, and giving back what
was received, for the layer that reads the connection next."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from ..errors import DeadlineExceeded, PeerGone
from ..http1.closing import close_at_once, closed
from ..iomodels.interface import Connection
from ..iomodels.overlay import Overlay
from ..isolation.reporting import Log, report

Served = Coroutine[Any, Any, None]


async def entered(
    conn: Connection, enter: Callable[[Connection], Coroutine[Any, Any, Served]], log: Log
) -> None:
    """Pass a layer, by `enter`, and be served by what that returns.

    Raises what `Http1.serve` raises.
    """
    try:
        served = await enter(conn)
    except (PeerGone, DeadlineExceeded):
        pass  # it came too late, or left: no client is there to be told
    except GeneratorExit:
        close_at_once(conn)
        raise
    except BaseException as error:  # noqa: BLE001
        # The edge of a connection: one client's trouble must not become another's.
        report(log, "a connection failed", error=error)
    else:
        return await served
    return await closed(conn)


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
