"""An operation of an I/O model that goes on to its end, whatever becomes of its task.

Facts.        A task of asyncio can be cancelled wherever it waits.  A send that waits has sent a
              part: what follows on the connection would stand in the middle of it.
Consequence.  The task may stop waiting, but the operation must not stop.
Choice.       `to_its_end` takes the first step in the task.  An operation that waits then
              becomes a coroutine of the model, `Started`, for whose end the task waits by a
              bridge.  A task that is cancelled takes its bridge away, and the operation goes
              on within the deadlines of its connection.
Cost.         One resumption for the whole of an operation instead of one for each of its waits,
              and an object more.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Callable, Generator
from typing import Any, cast

from ..interface import Task, Waiter
from .bridge import Bridge


class Started:
    """The rest of an operation, as the model sees it: a suspended coroutine."""

    __slots__ = ("_bridge", "_error", "_over", "_parked", "_value", "steps")

    def __init__(self, steps: Task, parked: Waiter) -> None:
        self.steps = steps
        """What is left of the operation."""
        self._parked: Waiter | None = parked
        parked.task = cast("Task", self)
        self._bridge: Bridge | None = None
        """Of the task that waits for the end."""
        self._error: BaseException | None = None
        self._value: Any = None
        self._over = False

    # As the model sees it

    def send(self, value: Any) -> Waiter:
        return self._step(self.steps.send, value)

    def throw(self, error: BaseException) -> Waiter:
        return self._step(self.steps.throw, error)

    def close(self) -> None:
        self.steps.close()

    def _step(self, step: Callable[[Any], Any], argument: Any) -> Waiter:
        if self._over:
            raise StopIteration
        try:
            self._parked = parked = cast("Waiter", step(argument))
            return parked
        except StopIteration as finished:
            self._value = finished.value
        except BaseException as error:  # noqa: BLE001 - raised again in the task, if that waits
            self._error = error
        self._end()
        raise StopIteration

    def _end(self) -> None:
        self._over, self._parked = True, None
        if self._bridge is not None:
            self._bridge.send(None)

    # As tasks of asyncio see it

    @types.coroutine
    def end(self) -> Generator[Any, Any, Any]:
        """Wait for it; its value, or what it raises. One task may wait at a time."""
        bridge = self._bridge = Bridge(asyncio.get_running_loop())
        try:
            while not self._over:
                bridge._asyncio_future_blocking = True  # noqa: SLF001 - asyncio's own protocol
                yield bridge
        finally:
            self._bridge = None
            bridge.release()
        error, self._error = self._error, None
        if error is None:
            return self._value
        try:
            raise error
        finally:
            error = None  # it knows this frame, which shall not know it in turn

    def stop(self, error: BaseException) -> None:
        """Give it up where it waits; a coroutine that waits for its end gets `error`."""
        if self._over:
            return
        parked = self._parked
        assert parked is not None
        if parked.task is cast("Task", self):
            parked.task = None
        else:
            parked.hints = parked.hints or 1  # the model was about to go on with it
        self._error = error
        self.steps.close()
        self._end()


@types.coroutine
def to_its_end(operation: Awaitable[None]) -> Generator[Any, Any, None]:
    """Await a coroutine of an I/O model inside a task of asyncio; once it waits, it is not
    cancelled with the task.  It may wait for its model only, not for asyncio."""
    steps = cast("Task", operation)
    try:
        parked = steps.send(None)  # nearly always the last step, too
    except StopIteration:
        return
    yield from Started(steps, parked).end()
