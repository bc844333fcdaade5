"""The event loop of an ASGI application: it begins and ends with the application's lifespan."""

from __future__ import annotations

import asyncio
from typing import Any

from ..iomodels.asyncio_host import Host
from ..iomodels.base import Task
from .asgi_carrier import Carriers
from .asgi_lifespan import Application, Lifespan


class AsgiHost(Host):
    """A loop that begins and ends with the application's lifespan.

    Connections are coroutines of the I/O model here, not tasks of asyncio: what of them
    needs a task is carried by one (see `asgi_carrier`).
    """

    lifespan: Lifespan | None = None

    def start(self, application: Application) -> None:
        """Raises `ApplicationError`."""
        self.carriers = Carriers(self.loop, self.io)
        self.lifespan = Lifespan(application, self.loop)
        self.lifespan.startup()
        self.state = self.lifespan.state

    def spawn(self, task: Task) -> None:
        self.io.spawn(task)

    def run(self, main: Task) -> Any:
        outcome: asyncio.Future[Any] = self.loop.create_future()
        self.io.spawn(reported(main, outcome))
        try:
            return self.loop.run_until_complete(outcome)
        finally:
            self.io.flush()

    def close(self) -> None:
        if self.lifespan is not None and not self.loop.is_closed():
            self.lifespan.shutdown()
        super().close()


async def reported(main: Task, outcome: asyncio.Future[Any]) -> None:
    try:
        result = await main
    except BaseException as error:  # noqa: BLE001 - raised by whoever runs it
        outcome.set_exception(error)
    else:
        outcome.set_result(result)
