"""Turns: several tasks of an application may send, but only one at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

from ..iomodels.asyncio_bridge import hosted


class Turns:
    """Lets one operation run to its end before the next begins, in the order they came.

    An asyncio.Lock would do; but nearly always nobody waits, and then this costs nothing.
    """

    __slots__ = ("_queue", "busy")

    def __init__(self) -> None:
        self.busy = False
        self._queue: deque[asyncio.Future[None]] | None = None

    async def take(self, operation: Coroutine[Any, Any, Any]) -> None:
        """Run an operation of the connection when its turn comes."""
        if self.busy:
            try:
                await self._turn()
            except BaseException:
                operation.close()  # it never ran
                raise
        self.busy = True
        try:
            await hosted(operation)
        finally:
            self._pass_on()

    async def _turn(self) -> None:
        future = asyncio.get_running_loop().create_future()
        if self._queue is None:
            self._queue = deque()
        self._queue.append(future)
        try:
            await future
        except BaseException:
            if future.done() and not future.cancelled():
                self._pass_on()  # it was our turn already
            raise

    def _pass_on(self) -> None:
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                future.set_result(None)
                return  # `busy` stays: it is the next one's turn
        self.busy = False
