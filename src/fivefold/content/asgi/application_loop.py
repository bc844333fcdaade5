"""The event loop of an ASGI application: it begins and ends with the application's lifespan."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from time import monotonic
from typing import Any

from ...errors import ShutdownCut
from ...iomodels.asyncio_loop.foreign_loop import ForeignLoopSupport
from ...iomodels.asyncio_loop.loop import LoopModel
from ...iomodels.interface import Task
from ...iomodels.outcome import Outcome
from ...isolation.descendants import descendants
from ...isolation.reporting import is_a, logger, report
from ...processes.grace import Grace
from .client_watch import Watches
from .lifespan import AUTO, Application, Lifespan
from .loop_thread.crossing import Crossing
from .tasks import LentTasks

log = logger("fivefold.asgi")

MOST_FAILURES = 3
"""Waits of a loop that fail without a pass between them; a further one would fail as well."""

LAST_S = 1.0
"""The same for what else still runs, if the shutdown has left no time for it."""


class ApplicationLoop(LoopModel):
    """A loop that begins and ends with the application's lifespan.

    Connections are coroutines of the I/O model here, not tasks of asyncio: what of them
    needs a task is carried by one (see `tasks`).
    """

    lifespan: Lifespan | None = None

    def __init__(
        self,
        io: ForeignLoopSupport,
        *,
        grace: Grace | None = None,
        lifespan: str = AUTO,
        lifespan_s: float = 10.0,
    ) -> None:
        super().__init__(io)
        self._grace = grace or Grace()
        self._rule = lifespan
        self._lifespan_s = lifespan_s
        self.there: ApplicationLoop | None = None
        """On which the application runs, if that is another one (`loop_thread.own_thread`)."""
        self.lent_tasks = LentTasks(self.loop)
        self.crossing = Crossing(io)
        self.watches = Watches(self.loop)
        self.state: dict[str, Any] = {}
        """Copied, not deeply, into the scope of each request."""
        self._last: asyncio.Task[None] | None = None
        """The end of its threads, which may outlast the loop."""

    def start(self, application: Application) -> None:
        """Raises `ApplicationError`."""
        self.lifespan = Lifespan(application, self.loop, self.keep_going, self._rule)
        self.lifespan.startup()
        self.state = self.lifespan.state

    def spawn(self, task: Task) -> None:
        self.io.spawn(task)

    def spawn_now(self, task: Task) -> None:
        self.io.spawn_now(task)

    def run(self, main: Task) -> Any:
        outcome = Outcome()
        over: asyncio.Future[None] = self.loop.create_future()
        self.io.spawn(reported(main, outcome, over))
        try:
            self.keep_going(over)
        finally:
            self.io.flush()
        return outcome.get()

    def until_readable(self, sock: socket.socket) -> None:
        """Tasks and timers of the application go on between two connections."""
        over: asyncio.Future[None] = self.loop.create_future()

        def readable() -> None:
            if not over.done():
                over.set_result(None)

        self.loop.add_reader(sock.fileno(), readable)
        try:
            self.keep_going(over)
        finally:
            self.loop.remove_reader(sock.fileno())

    def keep_going(self, over: asyncio.Future[Any]) -> None:
        """Run the loop until `over` is done, whatever breaks it meanwhile: SystemExit and
        KeyboardInterrupt of a task or callback, which asyncio lets out, or `loop.stop()`.

        Raises what the wait raises if the loop makes no pass any more: its descriptors are gone.
        """
        failures = 0

        def turned() -> None:
            nonlocal failures
            failures = 0

        while not over.done():
            try:
                self.loop.run_until_complete(over)
            except BaseException as error:
                descendants.end_if_copy(error)
                failures += is_a(error, OSError, ValueError)
                if self.loop.is_closed() or failures > MOST_FAILURES:
                    raise
                report(log, "the application broke its event loop, which goes on", error=error)
                self.loop.call_soon(turned)

    def close(self) -> None:
        """End the calls, the lifespan, then whatever else still runs.

        Raises `ShutdownCut` if the application's shutdown has not ended in its time.
        """
        if self.loop.is_closed():
            return
        try:
            self._end_calls()
            ended = self._end_lifespan()
        finally:
            self.loop.close()
        if not ended:
            raise ShutdownCut(
                f"the application's shutdown has not ended within {self._lifespan_s:g} s"
                " (--lifespan-s), and was cut short"
            )

    def _end_calls(self) -> None:
        """Those that go on without their connections may, as long as the grace time lasts; the
        lifespan's shutdown takes away what they use."""
        left = self._wait(set(self.lent_tasks.running), self._grace.until() - monotonic())
        if left:
            what = "1 call" if len(left) == 1 else f"{len(left)} calls"
            log.warning("%s of the application cancelled: %s", what, self._grace.why_over)
            self._cancel(left, LAST_S)

    def _end_lifespan(self) -> bool:
        loop = self.loop
        until = monotonic() + self._lifespan_s
        ended = self.lifespan is None or self.lifespan.shutdown(self._lifespan_s)
        left_s = max(LAST_S, until - monotonic())
        self._cancel(asyncio.all_tasks(loop), left_s)
        generators = loop.create_task(loop.shutdown_asyncgens(), name="fivefold-end")
        self._cancel(self._wait({generators}, left_s), LAST_S)
        self._end_threads(max(LAST_S, until - monotonic()))
        return ended

    def _end_threads(self, within_s: float) -> None:
        # Not to be cancelled: it would then join the threads, and we with it.
        last = self._last = self.loop.create_task(self.loop.shutdown_default_executor())
        if self._wait({last}, within_s):
            log.warning("a thread of the application's event loop does not end, and is left behind")

    def _cancel(self, tasks: Iterable[asyncio.Task[Any]], within_s: float) -> None:
        """Cancel tasks, and wait until they have ended; some refuse, which is said."""
        tasks = {task for task in tasks if not task.done()}
        for task in tasks:
            task.cancel()
        left = self._wait(tasks, within_s)
        for task in left:
            log.warning("%r does not end when it is cancelled, and is left behind", task)
        for task in tasks - left:
            self._ended(task)

    def _wait(self, tasks: set[asyncio.Task[Any]], within_s: float) -> set[asyncio.Task[Any]]:
        """Run the loop until all of them are done; those that are not within `within_s`."""
        left = set(tasks)
        if not left:
            return left
        over = self.loop.create_future()

        def ended(task: asyncio.Task[Any] | None) -> None:
            if task is not None:
                left.discard(task)
            if (task is None or not left) and not over.done():
                over.set_result(None)

        for task in tasks:
            task.add_done_callback(ended)
        timer = self.loop.call_later(within_s, ended, None)
        self.keep_going(over)
        timer.cancel()
        return left


async def reported(main: Task, outcome: Outcome, over: asyncio.Future[None]) -> None:
    try:
        await outcome.of(main)
    finally:
        if not over.done():
            over.set_result(None)
