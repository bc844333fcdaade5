"""Coroutines that wait for an I/O model, run as tasks of asyncio.

Facts.        A coroutine of ours yields a `Waiter`; a task of asyncio accepts futures only,
              of any class that behaves like one.  When its future is done the task goes
              on through `call_soon`: a handle and one more pass of the loop.  But between
              two callbacks no task is current, and there a step may be taken in place:
              the model's wait is such a place, being the selector of the loop.
Consequence.  The waiter can get a future that resumes the task inside the model's wait.
Choice.       `Bridge`: towards asyncio a future, towards the model a coroutine that it can
              send to, throw into and close.  One serves all waits of an operation.
Cost.         0.6 us per wait, against 4 us for a future of asyncio and its handle; tasks
              that are resumed so run before those in the queue of the loop.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context
from typing import Any, TypeVar, cast

from ..interface import Task, Waiter

T = TypeVar("T")


class Bridge:
    """A future for one task of asyncio, and a `Task` for one waiter at a time."""

    __slots__ = (
        "_asyncio_future_blocking",
        "_context",
        "_early",
        "_error",
        "_loop",
        "_resume_task",
        "_run",
        "_scheduled",
        "value",
        "waiter",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # No `get_loop`: asyncio would call it, and takes the attribute otherwise.
        self._loop = loop
        self._asyncio_future_blocking = False
        self._context: Context | None = None
        self._run: Callable[..., object] = self._come_early
        self._early = False
        self._resume_task: Callable[[Bridge], object] = _not_waiting
        self._error: BaseException | None = None
        self._scheduled = False
        self.waiter: Waiter | None = None
        self.value: Any = None

    # As the model sees it: a suspended coroutine.

    def send(self, value: Any) -> Waiter:
        if self._scheduled:
            return _ignored  # it was cancelled meanwhile
        self.value = value
        self.waiter = None
        try:
            self._run(self._resume_task, self)
        except RuntimeError:  # another task, or the same context, is in the middle of a step
            self._schedule()
        except BaseException as error:  # noqa: BLE001 - SystemExit, KeyboardInterrupt
            # Not through the model, which would lose the rest of its batch.
            self._loop.call_soon(_raise, error)
        return _ignored

    def _come_early(self, *_: object) -> None:
        """The wait is over before a task awaits it: it may be on its way to another task."""
        self._early = True

    def throw(self, error: BaseException) -> Waiter:
        self._error = error
        self.send(None)
        if self._scheduled:
            self._error = error  # the step that could not be taken may have fetched it already
        return _ignored

    def close(self) -> None:
        """The task behind it is asyncio's to end."""

    def _schedule(self) -> None:
        self._scheduled = True
        self._loop.call_soon(self._resume_later, context=self._context)

    def _resume_later(self) -> None:
        self._scheduled = False
        self._resume_task(self)

    # As asyncio sees it: a future.

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: Context | None = None
    ) -> None:
        self._resume_task = callback
        if context is not self._context:  # the first time
            assert context is not None
            self._context = context
            self._run = context.run
            if self._early:
                self._schedule()

    def result(self) -> Any:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def exception(self) -> BaseException | None:
        return self._error

    def done(self) -> bool:
        return self._scheduled

    def cancel(self, msg: Any = None) -> bool:
        if self._scheduled:
            return False  # it goes on already; the task throws at its next step
        self.detach()
        self._error = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        self._schedule()
        return True

    def detach(self) -> None:
        """The model shall not resume this wait any more."""
        waiter, self.waiter = self.waiter, None
        if waiter is not None:
            waiter.task = None

    def release(self) -> None:
        """The operation is over; `_ignored` may keep this object, but not what it held."""
        self._run = self._resume_task = _not_waiting
        self._context = self._error = self.value = None


_ignored = Waiter()
"""Where the model puts the bridge after a step; the operation has parked it already."""


def _not_waiting(*_: object) -> None:
    """After the last wait."""


def _raise(error: BaseException) -> None:
    raise error


@types.coroutine
def await_in_task(operation: Awaitable[T]) -> Generator[Any, Any, T]:
    """Await a coroutine of an I/O model inside a task of asyncio.

    What else it waits for, futures of asyncio or operations that are hosted themselves,
    passes through.
    """
    steps = cast("Task", operation)
    try:
        parked: Any = steps.send(None)  # nearly always the last step, too
    except StopIteration as finished:
        return cast("T", finished.value)
    return cast("T", (yield from bridged(steps, parked)))


def bridged(steps: Task, parked: Any) -> Generator[Any, Any, Any]:
    """The rest of an operation that waits for `parked`."""
    bridge = Bridge(asyncio.get_running_loop())
    error: BaseException | None = None
    value = None
    try:
        while True:
            try:
                if type(parked) is Waiter:
                    parked.task = bridge  # type: ignore[assignment]
                    bridge.waiter = parked
                    bridge._asyncio_future_blocking = True  # noqa: SLF001 - asyncio's own protocol
                    yield bridge
                    value = bridge.value
                else:
                    value = yield parked
            except GeneratorExit:
                bridge.detach()
                steps.close()
                raise
            except BaseException as thrown_in:  # noqa: BLE001 - passed on
                error = thrown_in
            if error is None:
                parked = steps.send(value)
            else:
                try:
                    parked = steps.throw(error)
                finally:
                    error = None  # it knows this frame, which shall not know it in turn
    except StopIteration as finished:
        return finished.value
    finally:
        bridge.release()
