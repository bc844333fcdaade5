"""The lifespan of an ASGI application on one event loop: start-up, state, shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ..errors import ApplicationError
from ..reporting import logger
from .asgi_scope import VERSIONS

log = logger("fivefold.asgi")

Application = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]


class Lifespan:
    """One run of the application's lifespan protocol (ASGI 3.0, "Lifespan").

    An application that raises before it answers does not have the protocol; it is served
    all the same, as the specification demands.
    """

    def __init__(self, application: Application, loop: asyncio.AbstractEventLoop) -> None:
        self._application = application
        self._loop = loop
        self._task: asyncio.Task[None] | None = None
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._answer: asyncio.Future[dict[str, Any] | None] | None = None
        self.state: dict[str, Any] = {}
        """Copied, not deeply, into the scope of each request."""

    def startup(self) -> None:
        """Run the loop until the application has started. Raises `ApplicationError`."""
        answer = self._loop.run_until_complete(self._ask("startup"))
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            raise ApplicationError(
                "the application's start-up failed" + detail(answer.get("message", ""))
            )

    def shutdown(self) -> None:
        """Run the loop until the application has shut down; a failure is only logged."""
        if self._task is None or self._task.done():
            return
        answer = self._loop.run_until_complete(self._ask("shutdown"))
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            log.error("the application's shutdown failed%s", detail(answer.get("message", "")))

    async def _ask(self, event: str) -> dict[str, Any] | None:
        """The application's answer; None if it ended without one."""
        self._answer = self._loop.create_future()
        self._inbox.put_nowait({"type": f"lifespan.{event}"})
        if self._task is None:
            self._task = self._loop.create_task(self._run())
        return await self._answer

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": VERSIONS, "state": self.state}
        try:
            await self._application(scope, self._inbox.get, self._send)
        except Exception:
            # The edge of an application. Mostly it only says that it has no lifespan, but
            # it may have failed in one; who wonders can turn this on.
            log.debug("the application ended its lifespan by an exception", exc_info=True)
        self._reply(None)

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] not in ANSWERS:
            raise RuntimeError(f"unexpected message {message['type']} in a lifespan")
        self._reply(message)

    def _reply(self, message: dict[str, Any] | None) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(message)


ANSWERS = {
    f"lifespan.{event}.{outcome}"
    for event in ("startup", "shutdown")
    for outcome in ("complete", "failed")
}


def detail(message: str) -> str:
    return f": {message}" if message else ""
