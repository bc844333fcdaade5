"""The event loop of an ASGI application: it begins and ends with the application's lifespan."""

from __future__ import annotations

import asyncio
from typing import Any

from ..iomodels.asyncio_host import Host
from ..iomodels.base import Task
from ..iomodels.outcome import Outcome
from ..reporting import logger, report
from .asgi_carrier import Carriers
from .asgi_lifespan import Application, Lifespan
from .asgi_watch import Watches

log = logger("fivefold.asgi")


class AsgiHost(Host):
    """A loop that begins and ends with the application's lifespan.

    Connections are coroutines of the I/O model here, not tasks of asyncio: what of them
    needs a task is carried by one (see `asgi_carrier`).
    """

    lifespan: Lifespan | None = None

    def start(self, application: Application) -> None:
        """Raises `ApplicationError`."""
        self.carriers = Carriers(self.loop)
        self.watches = Watches(self.loop)
        self.lifespan = Lifespan(application, self.loop)
        self.lifespan.startup()
        self.state = self.lifespan.state

    def spawn(self, task: Task) -> None:
        self.io.spawn(task)

    def run(self, main: Task) -> Any:
        outcome = Outcome()
        over: asyncio.Future[None] = self.loop.create_future()
        self.io.spawn(reported(main, outcome, over))
        try:
            while not over.done():
                self._go_on(over)
        finally:
            self.io.flush()
        return outcome.get()

    def _go_on(self, over: asyncio.Future[None]) -> None:
        """Run the loop until `over`, or until a task or a callback of the application breaks
        it: by SystemExit or KeyboardInterrupt, which asyncio lets out, or by `loop.stop()`."""
        try:
            self.loop.run_until_complete(over)
        except BaseException as error:
            if self.loop.is_closed():
                raise
            report(log, "the application stopped its event loop; it goes on", error=error)

    def close(self) -> None:
        if self.lifespan is not None and not self.loop.is_closed():
            self.lifespan.shutdown()
        super().close()


async def reported(main: Task, outcome: Outcome, over: asyncio.Future[None]) -> None:
    try:
        await outcome.of(main)
    finally:
        if not over.done():
            over.set_result(None)
