"""Calls that cross from one thread to another: made there inside the wait of its I/O model.

Facts.        An I/O model belongs to its thread; only `finished` may be called from others, and
              costs a system call.  Inside the wait of a hosted loop no task of asyncio is
              current, so a step of an application may be taken in place there (`asgi.tasks`).
Choice.       A queue, and one wake-up for all that is in it when the thread looks.
Assumption.   `append` and `popleft` of a deque are atomic, and a flag that is cleared before the
              queue is looked at misses nothing: as CPython has it, with or without its lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, cast

from ....iomodels.interface import IOModel, Task, Waiter
from ....isolation.descendants import descendants, end_copy
from ....isolation.reporting import logger, report

log = logger("fivefold.asgi")


class Crossing:
    """Where other threads leave calls for this one: to the I/O model, one of its coroutines.

    It is parked again before a call is made, which may run the model within (a loop in a loop).
    """

    __slots__ = ("_calls", "_io", "_waiter", "_woken")

    def __init__(self, io: IOModel) -> None:
        self._io = io
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._woken = False
        self._waiter = Waiter()
        self._waiter.task = cast("Task", self)

    def post(self, call: Callable[..., object], *arguments: Any) -> None:
        """Have it made soon, in the order of posting; from any thread.  Once the model has been
        closed, it is never made."""
        self._calls.append((call, arguments))
        if not self._woken:
            self._woken = True
            self._io.resume_threadsafe(self._waiter)

    def send(self, value: Any) -> Waiter:
        """Called by the model, like the following two."""
        self._woken = False
        self._waiter.task = cast("Task", self)
        # Only those that are here now: one that posts for ever must not keep us from the kernel.
        for _ in range(len(self._calls)):
            if not self._calls:
                break  # a run of the model within a call has made them
            call, arguments = self._calls.popleft()
            try:
                call(*arguments)
            except BaseException as error:  # noqa: BLE001 - one call's trouble is not the others'
                descendants.end_if_copy(error)
                report(log, "the server failed at a call of an application", error=error)
            if descendants.is_copy:
                end_copy()  # before it makes calls that are made in the parent
        return self._waiter

    def throw(self, error: BaseException) -> Waiter:
        return self.send(None)

    def close(self) -> None:
        self._calls.clear()
