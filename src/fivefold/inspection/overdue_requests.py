"""`--request-timeout-s`: a request for which the application does nothing for so long is ended.

Facts.        A task of asyncio can be cancelled; a thread can not be interrupted, nor can a
              coroutine that does not give its loop back (a call that blocks, C code).
Choice.       The time begins with the complete head, and anew with each part of the body that comes
              and each part of the response that the client takes: what a client is slow at does not
              count, and a response that moves is not ended.  Then the coroutine of the connection
              is told, by another thread, and answers 503, or closes where the response has begun.
              So an application must not run in that coroutine: a WSGI application runs in a thread
              of a pool in every pair (`server.choice`), but with `--inline`.
              The call is left behind.  A task is cancelled; a thread goes on until it comes back.
              A process that has only one connection ends with it; another one is replaced when half
              as many calls as `--threads` do not come back, or if the coroutine has not heard
              within `HEARS_S`: then the thread that would answer is the one that hangs, and the
              client sees the connection close.
              Websockets and event streams are silent as long as nothing happens, and not ended.
Assumption.   That of `slow_requests`: the GIL is given back now and then.  A call that has ended is
              freed, since nothing else keeps it: so those that hang are counted.
Cost.         That of `slow_requests`; 50 ns for each part behind a head that a client sends or
              takes; where a WSGI application would run in its connection's thread, the way to the
              pool and back (docs/design.md).
"""

from __future__ import annotations

import gc
import math
import weakref
from time import monotonic
from typing import Any

from ..iomodels.interface import Connection
from ..serving.base import ServingModel
from .served_connections import ServedConnection

HEARS_S = 1.0
"""So long a loop may be busy, and a machine, before the coroutine hears."""


def most_left(threads: int) -> int:
    """So many calls that were ended may go on until the worker is replaced. `threads`: how many may
    run at once in a pool that is shared."""
    return max(1, threads // 2)


class OverdueRequests:
    """Of one worker and the processes that it forks."""

    def __init__(self, limit_s: float, threads: int) -> None:
        """`threads`: as in `most_left`."""
        self.limit_s = limit_s
        self._most_left = most_left(threads)
        self._ended: dict[Connection, tuple[float, float]] = {}
        """Of which request of a connection, by when its wait began; and until when it may hear."""
        self._left: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()
        """Calls that were ended, as long as they are there, and until when they may hear."""

    def among(self, served: list[ServedConnection]) -> list[ServedConnection]:
        """Those that are to be ended, or have been and do not hear of it."""
        before = monotonic() - self.limit_s
        late = [one for one in served if (at := one.application_since) is not None and at <= before]
        since = {one.conn: one.application_since for one in late}
        self._ended = {c: ended for c, ended in self._ended.items() if since.get(c) == ended[0]}
        return late

    def new(self, late: list[ServedConnection]) -> list[ServedConnection]:
        return [one for one in late if one.conn not in self._ended]

    def deaf(self, late: list[ServedConnection]) -> list[ServedConnection]:
        """Whose coroutines have not heard; each once."""
        now = monotonic()
        deaf = [one for one in late if self._ended[one.conn][1] <= now]
        for one in deaf:
            self._ended[one.conn] = self._ended[one.conn][0], math.inf
        return deaf

    def end(self, one: ServedConnection, model: ServingModel) -> None:
        assert one.application_since is not None
        until = monotonic() + HEARS_S
        self._ended[one.conn] = one.application_since, until
        model.has_ended_request()
        if one.call is not None:
            self._left[one.call] = until
            one.call.time_out(one.mark)

    def hangs(self) -> bool:
        """Whether too many of the calls that were ended go on, or one in a loop that hangs."""
        now = monotonic()
        left = [(call, until) for call, until in self._left.items() if call.left]
        if any(now >= until and not call.has_heard for call, until in left):
            return True
        if len(left) >= self._most_left:
            del left
            gc.collect()  # what an exception refers to may be over
            left = [(call, until) for call, until in self._left.items() if call.left]
        return len(left) >= self._most_left
