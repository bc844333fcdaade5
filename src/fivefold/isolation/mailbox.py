"""What a thread of ours waits at for its next work, in which an application may have run before.

Facts.        Another thread may set an exception in this one (PyThreadState_SetAsyncExc, as
              func_timeout and stopit do) and be too late: the call that was meant is over.  It
              is raised when the thread's next wait returns, in place of what that has returned.
Consequence.  Work that was handed over would be lost, and a thread would end that others still
              take for an idle one.
Choice.       Work lies in a list of its own, and the wait returns nothing; what is raised there
              belongs to no call, and is logged and dropped.
Assumption.   It comes while the thread waits, where nearly all of its time goes; one that meets
              the few instructions between two calls ends the thread as before (docs/wsgi.md).
Cost.         0.2 us for each hand-over.
"""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue
from typing import Generic, TypeVar

from .reporting import logger, report

log = logger("fivefold.serving")

T = TypeVar("T")


class Mailbox(Generic[T]):
    """For one thread. `put` may be called from a signal handler that has interrupted a `get`."""

    def __init__(self) -> None:
        self._work: deque[T] = deque()
        self._bell: SimpleQueue[None] = SimpleQueue()

    def put(self, work: T) -> None:
        self._work.append(work)
        self._bell.put(None)

    def get(self) -> T:
        """Waits. Raises nothing."""
        while True:
            try:
                return self.get_within()
            except BaseException as error:  # noqa: BLE001 - set by another thread, too late
                report(log, "an exception that was set in this thread came too late", error=error)

    def get_within(self) -> T:
        """Waits, in the middle of a call of the application. Raises what another thread sets."""
        while not self._work:
            self._bell.get()
        return self._work.popleft()
