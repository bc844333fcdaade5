"""Is the client of a call that waits still there?

Facts.        No coroutine reads a connection while its application works, so none would notice that
              the client has left.  recv(2) tells of a FIN, which alone does not say so
              (`application.hang_up`).
Consequence.  A FIN is told to an application that listens, as everywhere, but the connection
              is only given up when the client is known to be gone.
Choice.       Four times a second (`Watches`) the connections of calls that wait are looked at.
              From the first look on the watch receives (`Watch`); what comes belongs to the
              rest of the body or to the next request.  A client that sends a FIN is sent what
              means nothing (`Exchange.fill`): in the middle of a response, a leading zero of
              the next chunk's size; before it, and if it is not there after half a second,
              100 Continue.
Assumption.   A client that is there accepts both (RFC 9110, section 15.2; RFC 9112, section
              7.1: 1*HEXDIG).  Where neither can be sent (HTTP/1.0, a declared length) a client
              that has sent a FIN and is sent nothing for `PATIENCE_S` counts as gone.
Cost.         Nothing for a call that ends before the next look; 2 us of each longer one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol, cast

from ...errors import DeadlineExceeded
from ...iomodels.interface import Connection, Task, Waiter
from ...iomodels.lifetime import NEVER
from ..application.hang_up import PATIENCE_S, PEEK_S, RDHUP, polled

ASK_S = 0.5
"""After a FIN, before a client that has got no response yet is asked whether it is there."""


class Watched(Protocol):
    """The call that wants to know of its client."""

    def took(self, data: bytes) -> bool:
        """It has sent more; False if no more can be taken now."""

    def hung_up(self, *, certainly: bool) -> None:
        """It says no more; `certainly`: it is gone, and nothing reaches it."""

    def fill(self) -> bool:
        """Send what means nothing; whether that, or anything else, was sent since the FIN."""

    def is_sending(self) -> bool: ...


class Watch:
    """Receives while an application works: to the I/O model, one of its coroutines.

    Raises nothing: what happens is told to `watched`.
    """

    __slots__ = ("_conn", "_ended_at", "_full", "_operation", "_parked", "_proven", "_watched")

    def __init__(self, conn: Connection, watched: Watched) -> None:
        self._conn = conn
        self._watched = watched
        self._operation: Any = None
        self._parked: Waiter | None = None
        self._full = self._proven = False
        self._ended_at = NEVER

    # Receiving

    def start(self) -> None:
        """Receive from now on, unless the client has said all."""
        if self._operation is None and self._ended_at == NEVER:
            self._full = False
            self._no_deadline()
            self._operation = self._conn.recv()
            try:
                parked = self._step(self._operation.send, None)
            except StopIteration:
                return
            parked.task = cast("Task", self)

    def stop(self) -> None:
        """Let the next reader receive. Nothing that has come is lost."""
        operation, self._operation = self._operation, None
        parked, self._parked = self._parked, None
        if operation is None or parked is None:
            return
        if parked.task is cast("Task", self):
            parked.task = None
        else:
            parked.hints = parked.hints or 1  # we were about to try
        operation.close()

    def send(self, value: Any) -> Waiter:
        """Called by the model, like the following two."""
        if self._operation is None:
            raise StopIteration
        return self._step(self._operation.send, value)

    def throw(self, error: Exception) -> Waiter:
        if self._operation is None:
            raise StopIteration
        return self._step(self._operation.throw, error)

    def close(self) -> None:
        self.stop()

    def _step(self, step: Callable[[Any], Waiter], argument: Any) -> Waiter:
        while True:
            data = None
            try:
                self._parked = parked = step(argument)
                return parked
            except StopIteration as received:
                data = received.value
            except DeadlineExceeded:
                self._no_deadline()  # of a send that is over
            except Exception:  # noqa: BLE001 - whatever it is: nothing comes from there any more
                self._operation = self._parked = None
                self._watched.hung_up(certainly=True)
                break
            self._operation = self._parked = None
            if data == b"":
                self._hang_up()
                break
            if data and not self._watched.took(data):
                self._full = True
                break
            self._operation = self._conn.recv()
            step, argument = self._operation.send, None
        raise StopIteration

    def _no_deadline(self) -> None:
        if not self._watched.is_sending():
            self._conn.wait_until(NEVER)

    def _hang_up(self) -> None:
        if self._ended_at == NEVER:
            self._ended_at = monotonic()
            self._watched.hung_up(certainly=False)

    # Looking

    def is_gone(self) -> bool:
        """Whether the client is certainly gone; after a send that it has answered by a reset."""
        return self._ended_at < NEVER and bool(polled(self._conn.fd, 0))

    def look(self) -> None:
        """Called at each look, while the call goes on."""
        if self._full and polled(self._conn.fd, RDHUP):
            self._hang_up()  # behind what we have no room for
        if self._ended_at == NEVER:
            self.start()
        elif self.is_gone():
            self._watched.hung_up(certainly=True)
        elif not self._proven and not self._watched.is_sending():
            silent_s = monotonic() - self._ended_at
            self._proven = silent_s >= ASK_S and self._watched.fill()
            if not self._proven and silent_s >= PATIENCE_S:
                self._watched.hung_up(certainly=True)


class Looked(Protocol):
    def look(self) -> None: ...


class Watches:
    """The looks of one loop: at all its calls that wait."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._looked: set[Looked] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, looked: Looked) -> None:
        self._looked.add(looked)
        if self._timer is None:
            self._timer = self._loop.call_later(PEEK_S, self._look)

    def discard(self, looked: Looked) -> None:
        self._looked.discard(looked)

    def _look(self) -> None:
        self._timer = self._loop.call_later(PEEK_S, self._look) if self._looked else None
        for looked in tuple(self._looked):
            if looked in self._looked:
                looked.look()
