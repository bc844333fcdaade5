"""`--server-timing`: each response says where its time went (W3C Server Timing).

Assumption.   Clients may know it: a time can tell whether something was found in a cache.
Cost.         See `leaving_head`.  Nothing where it is off: then this is not there.
"""

from __future__ import annotations

from time import monotonic

from ..http1.request import Request
from ..http1.stream import HttpConnection
from .leaving_head import HEAD_END, Add, with_line

BEGINNING = b"Server-Timing: read;dur="


def with_times(data: bytes, read_s: float, app_s: float, queued_s: float | None = None) -> bytes:
    """The head of a response with its times, unless it has them: from the first bytes of the
    request to the whole head, and from there until the head of the response leaves; and, if that
    is known, how long those first bytes had been in the kernel."""
    if data.find(b"\r\n" + BEGINNING, 0, data.find(HEAD_END) + 1) >= 0:
        return data
    times = b"%.3f, app;dur=%.3f" % (max(0.0, read_s) * 1e3, app_s * 1e3)
    queue = b"" if queued_s is None else b", queue;dur=%.3f" % (queued_s * 1e3)
    return with_line(data, b"".join((BEGINNING, times, queue, b"\r\n")))


def begin(_: Request, conn: HttpConnection, __: bytes, arrived: float) -> Add:
    """Begin to take the time of a request; `leaving_head.Begin`."""
    asked = monotonic()
    queued_s = None if conn.has_asked else conn.queued_s

    def add(out: bytes) -> bytes:
        return with_times(out, asked - arrived, monotonic() - asked, queued_s)

    return add
