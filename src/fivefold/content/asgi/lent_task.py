"""The coroutine of a task that is lent: idle until a call of an application waits, then its rest.

`tasks` says when a task is lent, and keeps those that are free.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, Protocol

from ...iomodels.asyncio_loop.bridge import Bridge
from .noticing_task import Task, mark

Call = Coroutine[Any, Any, Any]


class Caller(Protocol):
    """Who hears of the end of a call."""

    def ended(self, error: BaseException | None) -> None:
        """It has ended, and has raised this; in the loop, and must not raise."""


async def _nothing() -> None:
    """The coroutine of an idle task, as others see it."""


NOBODY = _nothing()
NOBODY.close()


class Arrival(Bridge):
    """What the coroutine of an idle task waits for."""

    __slots__ = ("task",)

    task: Task

    def cancel(self, msg: Any = None) -> bool:
        """A task that is lent does not wait: asyncio shall keep the wish for its next step."""
        if asyncio.current_task(self._loop) is self.task:
            return False
        return super().cancel(msg)


class LentTask(Coroutine[Any, Any, None]):
    """The coroutine of one task: idle while that is lent, then the rest of a call that waits.

    asyncio never sees what a call raises: `SystemExit` or `KeyboardInterrupt` out of a task
    would come out of the loop and end its thread.
    """

    __slots__ = (
        "_arrival",
        "_awaits",
        "_call",
        "_has_begun",
        "_idle",
        "_loop",
        "_over",
        "_parked",
        "_run",
        "_running",
        "serves",
        "shown",
        "task",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, running: dict[object, Any]) -> None:
        self._loop = loop
        self._running = running
        self._call: Call | None = None
        self._run: Callable[..., Any] | None = None
        self.serves: Caller | None = None
        """Who hears of the end of the call."""
        self._parked: Any = None
        self._awaits = False
        """Whether what is parked was awaited, and not only yielded."""
        self._has_begun = self._idle = self._over = False
        self.shown: Call = NOBODY
        """The call that runs in the task, for code that looks."""
        self.task = Task(self, loop=loop, context=Context())
        mark(self.task, False)
        self._arrival: Arrival | None = None
        """Made when it first idles: a call that waits at once needs none."""

    def carry(self, call: Call, context: Context, parked: Any, caller: Caller) -> None:
        """The call waits for `parked`: from now on it goes on in the task, and ends with it.

        The task may take its first step later.  Until then others must be able to wait for the
        same future, and its mark, "somebody is just about to", would tell them that they do
        not use it as a future (asyncio: "await wasn't used with future").
        """
        self._call, self._run, self.serves = call, context.run, caller
        self._parked = parked
        self._awaits = bool(getattr(parked, "_asyncio_future_blocking", False))
        if self._awaits:
            parked._asyncio_future_blocking = False  # noqa: SLF001 - asyncio's own protocol
        if self._over:  # a loop in a loop has ended the task meanwhile
            self._end_call(asyncio.CancelledError())
        self._go_on()

    def end(self) -> None:
        """The task ends: its callbacks are called, and it is never lent again."""
        self._over = True
        self._go_on()

    def _go_on(self) -> None:
        if self._idle:
            self._idle = False
            assert self._arrival is not None
            self._arrival.send(None)
        # Otherwise its first step stands in the queue of the loop.

    # As the task sees it

    def send(self, value: Any) -> Any:
        call = self._call
        if call is None:
            return self._wait_for_call()
        if not self._has_begun:
            self._has_begun = True
            self._release()
            return self._handed_on()
        return self._step(call.send, value)

    def throw(self, error: Any, *_: Any) -> Any:
        call = self._call
        if call is None:  # cancelled before any call; or after one, which it was meant for
            self._over = True
            return self._wait_for_call()
        if not self._has_begun:
            self._has_begun = True
            self._release()
            # What it waits for is cancelled first, as a task would do.
            parked = self._handed_on()
            cancel = getattr(parked, "cancel", None)
            if isinstance(error, asyncio.CancelledError) and cancel is not None and cancel():
                return parked
            if self._awaits:
                parked._asyncio_future_blocking = False  # noqa: SLF001 - as above
        return self._step(call.throw, error)

    def _handed_on(self) -> Any:
        """What the call waits for, as its coroutine gave it to us."""
        parked, self._parked = self._parked, None
        if self._awaits:
            parked._asyncio_future_blocking = True  # noqa: SLF001 - as above
        return parked

    def close(self) -> None:
        if self._call is not None:
            self._call.close()

    def __await__(self) -> Any:
        raise RuntimeError("the coroutine of a lent task belongs to that task alone")

    def _wait_for_call(self) -> Arrival:
        if self._over:
            self._release()
            raise StopIteration
        self._idle = True
        arrival = self._arrival
        if arrival is None:
            arrival = self._arrival = Arrival(self._loop)
            arrival.task = self.task
        arrival._asyncio_future_blocking = True  # noqa: SLF001 - asyncio's own protocol
        return arrival

    def _release(self) -> None:
        """No call will arrive any more: let go of the task, which refers to us."""
        if self._arrival is not None:
            self._arrival.release()
            del self._arrival.task
        del self.task

    def _step(self, step: Callable[..., Any], argument: Any) -> Any:
        assert self._run is not None
        try:
            return self._run(step, argument)
        except StopIteration:
            self._end_call(None)
        except BaseException as error:  # noqa: BLE001 - the edge of an application
            self._end_call(error)
        raise StopIteration

    def _end_call(self, error: BaseException | None) -> None:
        caller, self._call, self._run, self.serves = self.serves, None, None, None
        self._over, self.shown = True, NOBODY
        self._running.pop(self, None)
        assert caller is not None
        try:
            caller.ended(error)
        finally:
            error = None  # it knows this frame, which shall not know it in turn

    # As code sees it that looks at the coroutine of a task: asyncio's stacks, anyio's scopes

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and name not in ("__name__", "__qualname__"):
            raise AttributeError(name)
        return getattr(self.shown, name)
