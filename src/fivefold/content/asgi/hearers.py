"""Which tasks of a call hear of its client's end from `receive`, so that `send` need not say it.

Facts.        A client's end is told by both: `receive` says disconnect, `send` raises an OSError
              (ASGI, "Disconnected Client"). A framework that receives in one task and sends in
              another learns of it twice at once. Django cancels the sender and then closes the
              response; if the sender has failed by itself, it closes nothing, and the view's
              connection to a database never returns to its pool.
Consequence.  Which of both comes first is a matter of chance. Under Django 5.2 a pool of four
              was used up by 4 to 28 clients that left their streams.
Choice.       Where another task than the one that sends is told by `receive`, or waits there and
              is about to be, `send` does nothing, gives that task its turns, and raises only if
              the call sends on `HEARD_S` later.
Assumption.   Who receives acts on what it hears. One that does not ends by the error after all.
Cost.         1.1 to 1.5 us of each wait in `receive`, on a host at less than half of its speed.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

HEARD_S = 1.0
"""A task that hears of it needs a few turns of the loop to end the one that sends: long for those,
and short for one that is never ended."""


class Hearers:
    """The tasks of one call that wait in `receive`, or have been told of the end there."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any] | None] = set()
        self._refused_at: float | None = None
        """When `send` first asked."""

    def add(self) -> None:
        """The current task is told, or waits."""
        self._tasks.add(asyncio.current_task())

    def discard(self) -> None:
        """It waited for something else, or no longer."""
        self._tasks.discard(asyncio.current_task())

    def others_act(self) -> bool:
        """Whether `send` of the current task may leave it to another one to act on the end."""
        now = monotonic()
        if self._refused_at is None:
            self._refused_at = now
        others = self._tasks - {asyncio.current_task()}
        return bool(others) and now - self._refused_at <= HEARD_S
