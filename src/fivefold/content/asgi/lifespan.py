"""The lifespan of an ASGI application on one event loop: start-up, state, shutdown.

Which exception means what is uvicorn's rule (its `--lifespan auto|on|off`), and the
specification's ("If an exception is raised ... the server must continue"): under `auto` an
application that raises before it has answered does not speak the protocol, and is served
without it.  What it raised is said in one line all the same, because it may have failed in
its start-up.  Two things cannot mean "no lifespan": the message `lifespan.startup.failed`,
and SystemExit or KeyboardInterrupt, by which it asks for its own end.

Assumption.  The loop turns while we wait.  An application that blocks it, in time.sleep
             perhaps, cannot be told that its time is over; the supervisor kills it then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

from ...errors import ApplicationError
from ...isolation.descendants import descendants
from ...isolation.reporting import is_a, logger, report
from ..application.loading import described
from .scope import LIFESPANS, VERSIONS

log = logger("fivefold.asgi")

Application = Callable[[Any, Any, Any], Coroutine[Any, Any, None]]

AUTO, ON, OFF = LIFESPANS

ENDS = (SystemExit, KeyboardInterrupt)
"""By which an application asks for its own end."""

LATE: dict[str, Any] = {"type": "late"}
"""In the place of an answer that has not come in time."""


class Lifespan:
    """One run of the application's lifespan protocol (ASGI 3.0, "Lifespan").

    `keep_going` runs the loop until a future is done, whatever else comes out of the loop.
    None of its waits is a task of ours: an application may cancel all tasks that it finds.
    """

    def __init__(
        self,
        application: Application,
        loop: asyncio.AbstractEventLoop,
        keep_going: Callable[[asyncio.Future[Any]], None],
        rule: str = AUTO,
    ) -> None:
        self._application = application
        self._loop = loop
        self._keep_going = keep_going
        self._rule = rule
        self._task: asyncio.Task[None] | None = None
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._asked = ""
        self._answer: asyncio.Future[dict[str, Any] | None] | None = None
        self._error: BaseException | None = None
        self._started = self._ending = False
        self.state: dict[str, Any] = {}
        """Copied, not deeply, into the scope of each request."""

    def startup(self) -> None:
        """Run the loop until the application has started. Raises `ApplicationError`."""
        if self._rule == OFF:
            return
        asked = self._ask("startup")
        while not asked.done():
            try:
                self._loop.run_until_complete(asked)
            except BaseException as error:
                descendants.end_if_copy(error)
                # Of another task of the application's, or its `loop.stop()`, which is no end.
                if asks_for_the_end(error) or self._loop.is_closed():
                    raise ApplicationError(
                        f"the application's start-up failed: {described(error)}"
                    ) from error
        answer = self._answered()
        if answer is None:
            self._unanswered(self._error)
        elif answer["type"] == "lifespan.startup.failed":
            raise ApplicationError(
                "the application's start-up failed" + detail(answer.get("message", ""))
            )
        else:
            self._started = True

    def _unanswered(self, error: BaseException | None) -> None:
        """The application ended its lifespan instead of answering to the start-up."""
        if error is None:
            what = "ended without an answer to lifespan.startup"
        else:
            what = f"failed: {described(error)}"
        if self._rule == ON or asks_for_the_end(error):
            raise ApplicationError(f"the application's start-up {what}") from error
        if error is None:
            log.debug("the application's lifespan %s", what)
        elif self._inbox.empty():  # it has read the message, so it does know the protocol
            log.warning(
                "the application's start-up %s; it is served without lifespan"
                " (--lifespan on makes this an error, off does not ask)",
                what,
            )
        else:
            log.info(
                "the application has no start-up and shutdown of its own (lifespan), which is no"
                " fault: %s",
                described(error),
            )
        if error is not None:
            log.debug("what the application raised at its start", exc_info=error)

    def shutdown(self, within_s: float) -> bool:
        """Run the loop until the application has shut down; a failure is only logged.

        False if it has not ended within `within_s` seconds.
        """
        if not self._started or self._task is None or self._task.done():
            return True
        self._ending = True
        answer = self._ask("shutdown")
        timer = self._loop.call_later(within_s, self._reply, LATE)
        self._keep_going(answer)
        timer.cancel()
        said = self._answered()
        if said is None and self._error is not None:
            report(log, "the application's shutdown failed", error=self._error)
        elif said is not None and said["type"] == "lifespan.shutdown.failed":
            log.error("the application's shutdown failed%s", detail(said.get("message", "")))
        return said is not LATE

    def _ask(self, event: str) -> asyncio.Future[dict[str, Any] | None]:
        """The application's answer to come; None if it ends without one."""
        self._asked = event
        self._answer = answer = self._loop.create_future()
        self._inbox.put_nowait({"type": f"lifespan.{event}"})
        if self._task is None:
            self._task = self._loop.create_task(self._run(), name="fivefold-lifespan")
        return answer

    def _answered(self) -> dict[str, Any] | None:
        answer, self._answer, self._asked = self._answer, None, ""
        assert answer is not None
        return answer.result() if answer.done() and not answer.cancelled() else None

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": VERSIONS.copy(), "state": self.state}
        try:
            await self._application(scope, self._inbox.get, self._send)
        except BaseException as error:  # noqa: BLE001 - the edge of an application
            descendants.end_if_copy(error)
            self._error = error
            if self._answer is None and not self._loop.is_closed():
                self._failed_unasked(error)
        finally:
            self._reply(None)

    def _failed_unasked(self, error: BaseException) -> None:
        """It raised while no answer of it was waited for."""
        if not self._ending:
            what = "the application's lifespan failed while it was served; it goes on without"
        elif is_a(error, asyncio.CancelledError):
            return  # by us, since its time was over, which has been said
        else:
            what = "the application's lifespan failed after its shutdown"
        report(log, what, error=error)

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind not in ANSWERS or not kind.startswith(f"lifespan.{self._asked}"):
            raise RuntimeError(f"unexpected message {kind} in a lifespan")
        self._reply(message)

    def _reply(self, message: dict[str, Any] | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(message)


ANSWERS = {
    f"lifespan.{event}.{outcome}"
    for event in ("startup", "shutdown")
    for outcome in ("complete", "failed")
}


def asks_for_the_end(error: BaseException | None) -> bool:
    """Whether it is, or holds, what ends a Python program without being an error."""
    if error is None:
        return False
    if issubclass(type(error), BaseExceptionGroup):
        group: BaseExceptionGroup[BaseException] = cast("Any", error)
        return BaseExceptionGroup.subgroup(group, ENDS) is not None
    return is_a(error, *ENDS)


def detail(message: str) -> str:
    return f": {message}" if message else ""
