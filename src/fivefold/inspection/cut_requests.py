"""Which requests are cut when the grace time is over: who has asked for what, and how long ago.

Choice.       The first `MOST` of a worker are named, whatever serves them; the supervisor says how
              many connections it has cut in all.  Under `process` each connection process names its
              own, so they share a semaphore of the kernel (eventfd(2), EFD_SEMAPHORE), from which
              each line takes one.
Assumption.   The application leaves its descriptor alone; if some code closes it, the requests are
              counted and not named.
Cost.         A descriptor for each worker; 20 to 40 us for each connection that is looked at, at
              the end of its worker.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from time import monotonic

from ..iomodels.interface import Connection
from ..serving.open_connections import OpenConnection
from .coroutines import RunningThreads
from .phrases import counted, peer, stream
from .served_connections import ServedConnection, served_now

MOST = 10


class CutRequests:
    """Of one worker and the processes that it forks. Raises OSError (no descriptor)."""

    def __init__(self) -> None:
        self._left = os.eventfd(MOST, os.EFD_SEMAPHORE | os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def named(self, cut: list[tuple[Connection, OpenConnection]]) -> list[str]:
        """A line for each request of these connections, and how many connections are not looked
        at; nothing once the worker has named `MOST`. In any thread or signal handler. Raises
        OSError (the descriptor is gone)."""
        all_lines = list(lines_of(cut[:MOST]))
        lines = [line for line in all_lines if self._may_say()]
        unsaid = [
            f"and {counted(more, f'more {what}', f'more {what}s')}"
            for more, what in (
                (len(all_lines) - len(lines), "request"),
                (len(cut) - MOST, "connection"),
            )
            if more > 0
        ]
        return [*lines, *unsaid] if lines else []

    def _may_say(self) -> bool:
        try:
            os.eventfd_read(self._left)
        except BlockingIOError:
            return False
        return True


def lines_of(cut: list[tuple[Connection, OpenConnection]]) -> Iterator[str]:
    since = {connection: entry.since for connection, entry in cut}
    for one in served_now(cut, RunningThreads(sys._getframe())):  # noqa: SLF001
        if one.asked_at is not None:
            yield described(one)
        elif not one.count and one.conn in since:
            age_s = monotonic() - since[one.conn]
            yield f"no whole request from {peer(one.document())}, which came {age_s:.1f} s ago"


def described(one: ServedConnection) -> str:
    document = one.document()
    name = f" ({one.request_id})" if one.request_id else ""
    who = f"{peer(document)}{stream(document)}"
    return f"{document['request']!r}{name} from {who}, {document['request_s']:.1f} s ago"
