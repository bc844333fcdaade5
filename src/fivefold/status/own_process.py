"""The status process: a child of the supervisor that answers on the address of `--status`.

It is a process of its own because it must answer while workers are stuck, stopped or dead, and
because the supervisor waits for signals and nothing else.

    monitor ── HTTP ── status process ── reads ──> pages of memory <── write ── supervisor, workers

Promises.  It is there before the first worker is, and ends after the last.  It asks nothing of a
worker: what it says it reads from shared memory and from proc(5).  If it dies the server serves on,
and the supervisor, which keeps the sockets, starts it again.
Assumption.   Whoever may connect may know which clients ask for what: there is no password, so the
              address is nobody's but the machine's own unless the user names another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..http1.connection import Http1
from ..http1.limits import Limits
from ..iomodels import resolve
from ..iomodels.interface import IOModel
from ..processes.grace import Grace
from ..processes.supervision.companion import Companion
from ..server.parent import SupervisedServer
from ..serving.async_ import Async
from ..serving.base import ServingOptions
from .routes import StatusContent

NAME = "fivefold-status"
"""As which it is seen in the list of processes."""

MOST_CONNECTIONS = 64
"""Monitors and people at once; others wait in the kernel's queue."""

TICK_S = 0.25

GRACE_S = 0.5
"""When the server ends: answers are short, and a page that looks on has no end."""


@contextmanager
def status_process(
    server: SupervisedServer, content: Callable[[], StatusContent]
) -> Iterator[None]:
    """For the calling supervisor; `content` is called in each new process. Raises `WorkerFailed` if
    none can be had."""

    def life() -> None:
        answers = content()  # looks at sockets that are closed now
        server.rights.take()  # it has imported what it needs
        sockets = [sock.dup() for sock in server.status.sockets]
        server.close_sockets()
        options = ServingOptions(max_connections=MOST_CONNECTIONS, grace=Grace(GRACE_S))
        model = Async(sockets, Http1(answers, Limits()).serve, new_io, options)
        model.stops.begin(model.stop, says=False)
        model.run()

    with Companion("status process", NAME, life).among(server.companions):
        yield


def new_io(connections: int, **_: bool) -> IOModel:
    engine = resolve("multiplexing")[0]
    return engine(tick_s=TICK_S, connections=connections)
