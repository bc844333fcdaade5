"""The one thread of a worker in which an ASGI application lives, where connections have others.

Facts.        An application is one object: what its lifespan opens and keeps (`app.state`, a
              module's global) is there once, and belongs to one event loop.
Consequence.  Threads that serve connections cannot each have a loop for it.
Choice.       The application has a loop in a thread of its own, on the same I/O model, with one
              lifespan: all its calls, tasks and timers run there.  The threads of the connections
              receive, parse, decrypt, compress and send; a message crosses when it is wanted
              (`near_end`, `far_end`).
Cost.         Two wake-ups of the one thread and one of the other for a small request
              (docs/design.md).  A handler that blocks keeps the worker's other handlers
              waiting, as in every server with an event loop, though not the connections.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextvars import copy_context
from time import monotonic

from ....errors import ApplicationError, ShutdownCut
from ....isolation.reporting import logger, report
from ....isolation.starting_threads import start_thread
from ....processes.grace import Grace
from ..application_loop import ApplicationLoop

log = logger("fivefold.asgi")

SLACK_S = 1.0
"""On top of the times that it was given, before the thread is left; the supervisor leaves a
second more."""


class LoopThread:
    """Begins with the first connection's thread, and ends with the worker."""

    def __init__(self, grace: Grace) -> None:
        self._grace = grace
        self._context = copy_context()
        """That in which the application was loaded: its calls see what was set there."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._host: ApplicationLoop | None = None
        self._over: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None

    def host(self, begin: Callable[[], ApplicationLoop]) -> ApplicationLoop:
        """The host on which the application runs; `begin` makes it, once.

        Raises what `begin` raises; `ApplicationError` again and again.
        """
        with self._lock:
            if self._host is None:
                self._begin(begin)
            assert self._host is not None
            return self._host

    def _begin(self, begin: Callable[[], ApplicationLoop]) -> None:
        if not isinstance(self._failure, ApplicationError):
            begun = threading.Event()
            self._failure = None
            self._thread = start_thread(
                "fivefold-application", self._context.run, self._life, begin, begun
            )
            begun.wait()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End the calls and the lifespan, within what is left of the time.

        Raises `ShutdownCut` if that was not enough.
        """
        thread, host = self._thread, self._host
        if thread is None or host is None:
            return
        host.crossing.post(self._end)
        thread.join(max(0.0, self._grace.end() + SLACK_S - monotonic()))
        if thread.is_alive():
            raise ShutdownCut("the application blocks its event loop, and was cut short")
        if self._failure is not None:
            raise self._failure

    # runs in: the application's thread

    def _life(self, begin: Callable[[], ApplicationLoop], begun: threading.Event) -> None:
        try:
            host = begin()
            self._over = host.loop.create_future()
            self._host = host
        except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for it
            self._failure = error
            return
        finally:
            begun.set()
        try:
            host.keep_going(self._over)
        except BaseException as error:  # noqa: BLE001 - the edge of a thread
            report(log, "the application's event loop cannot go on: the worker ends", error=error)
            os._exit(1)  # nothing could be answered any more; the supervisor starts another one
        try:
            host.close()
        except BaseException as error:  # noqa: BLE001 - raised by `close`
            self._failure = error

    def _end(self) -> None:
        assert self._over is not None
        if not self._over.done():
            self._over.set_result(None)
