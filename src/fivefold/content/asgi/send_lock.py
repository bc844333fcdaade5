"""Turns: several tasks of an application may send, but only one at a time."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from ...iomodels.asyncio_loop.bridge import await_in_task
from ...iomodels.asyncio_loop.started import to_its_end
from ...iomodels.interface import IOModel, Waiter

Operation = Coroutine[Any, Any, None]


class SendLock:
    """Lets one operation run to its end before the next begins, in the order they came."""

    __slots__ = ("_io", "_queue", "busy")

    def __init__(self, io: IOModel) -> None:
        self._io = io
        self._queue: deque[Waiter] = deque()
        self.busy = False

    async def take(self, operation: Operation, run: Callable[[Operation], Operation]) -> None:
        """Run an operation of the connection when its turn comes; in a task of asyncio.  `run`
        drives it, and passes the turn on.

        If that is cancelled before the turn has come, the operation never begins; after it,
        the operation goes on to its end.
        """
        if self.busy:
            try:
                await await_in_task(self.turn())
            except BaseException:
                operation.close()  # it never ran
                raise
        self.busy = True
        await to_its_end(run(operation))

    @types.coroutine
    def turn(self) -> Generator[Waiter, None, None]:
        """While it is `busy`: wait for our turn, which must be passed on.

        To be awaited by coroutines of the I/O model, or hosted in a task of asyncio.
        """
        waiter = Waiter()
        self._queue.append(waiter)
        try:
            yield waiter
        except BaseException:
            if waiter in self._queue:
                self._queue.remove(waiter)
            else:
                self.pass_on()  # it was our turn already
            raise

    def pass_on(self) -> None:
        """The next one's turn, if a task waits."""
        if self._queue:
            self._io.resume(self._queue.popleft())  # `busy` stays: it is the next one's turn
        else:
            self.busy = False
