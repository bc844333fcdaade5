"""How many bytes the server copies between the kernel and its own memory for a request.

Facts.        /proc/PID/io counts what sendfile(2) moves, which is no copy, and does not count
              what sockets receive and send, which is one.  A trace counts what each operation
              moved, and whether it was copied.
Choice.       A few of the scenario's own requests are traced in the server itself, one after
              the other, when no other client asks; it needs no rights.
Cost.         Other people's servers tell nothing, so for them the figure is missing.
"""

from __future__ import annotations

import http.client
import socket
import statistics
from collections.abc import Sequence

from ...errors import TraceFailed
from ...load.job import Ask
from ...tracing.attach.tracer import Attached
from .servers import Up

REQUESTS = 4
"""Different ones, at most: the mean of a few paths."""

PATIENCE_S = 2.0


def bytes_copied(running: Up, asks: Sequence[Ask]) -> float | None:
    """Bytes for each of these requests; None if they could not be traced."""
    asks = asks[:REQUESTS]
    if running.pid is None or not asks:
        return None
    try:
        with Attached(running.pid, count=len(asks), privileged=False) as attached:
            for ask in asks:
                asked(running.address, ask)
            copied = [trace.summary.bytes_copied for trace in attached.traces(PATIENCE_S)]
    except (TraceFailed, OSError, http.client.HTTPException):
        return None  # it was harmed, or does not answer
    return statistics.mean(copied) if copied else None


def asked(address: tuple[str, int], ask: Ask, patience_s: float = PATIENCE_S) -> None:
    """One request on a connection of its own. Raises OSError, `http.client.HTTPException`."""
    with socket.create_connection(address, timeout=patience_s) as sock:
        sock.sendall(ask.data)
        answer = http.client.HTTPResponse(sock, method=ask.data.partition(b" ")[0].decode())
        answer.begin()
        answer.read()
        answer.close()
