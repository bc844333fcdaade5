"""The body of a request as the tasks of an application read it, one part at a time.

Assumption.   Several tasks may ask at once: frameworks listen for the client's end while a handler
              reads.  One of them gets the part; the others ask again when that has come.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ....http1.body import Body
from ....iomodels.asyncio_loop.bridge import await_in_task
from ....iomodels.asyncio_loop.started import Started
from ....iomodels.interface import IOModel
from ..messages import Message
from ..send_lock import SendLock

AHEAD_BYTES = 65536
"""So much is read ahead of the application while we watch for the client's end; then no more."""


class RequestBody:
    """Raises what `Body.read` raises."""

    def __init__(self, body: Body, io: IOModel) -> None:
        self._body = body
        self._turns = SendLock(io)
        self._read: Started | None = None
        """Reading a part, while that waits for the client."""

    @property
    def finished(self) -> bool:
        return self._body.finished

    @property
    def is_being_read(self) -> bool:
        return self._turns.busy

    async def part(self) -> Message | None:
        """The next part; None if another task has taken it meanwhile."""
        turns = self._turns
        if turns.busy:
            await await_in_task(turns.turn())
            turns.pass_on()
            return None
        turns.busy = True
        try:
            data = await self._next()
        finally:
            self._read = None
            turns.pass_on()
        return {"type": "http.request", "body": data, "more_body": not self._body.finished}

    async def _next(self) -> Any:
        steps: Any = self._body.read()
        try:
            parked = steps.send(None)
        except StopIteration as read:
            return read.value
        self._read = Started(steps, parked)
        try:
            return await self._read.end()
        except asyncio.CancelledError as error:
            self._read.stop(error)
            raise

    def put(self, data: bytes) -> bool:
        """What a watcher of the connection has received; False if it is to take no more."""
        self._body.put(data)
        return self._body.ahead < AHEAD_BYTES

    def stop(self, error: Exception) -> None:
        """Raise the error in the task that waits for a part, if one does."""
        if self._read is not None:
            self._read.stop(error)
