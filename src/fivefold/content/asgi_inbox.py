"""Messages on their way from a websocket to its application: assembled, queued, awaited.

The connection's coroutine puts them in and is no task of asyncio, so whoever waits for one
can be resumed there and then (iomodels.asyncio_bridge).
"""

from __future__ import annotations

import asyncio
import types
from collections import deque
from collections.abc import Generator

from websockets.frames import Frame, Opcode

from ..iomodels.asyncio_bridge import Bridge
from ..iomodels.base import IOModel, Waiter
from .asgi_messages import Message

CONT, TEXT = Opcode.CONT, Opcode.TEXT
AHEAD = 16
"""Messages read ahead of the application."""


class Inbox:
    """What an application has not taken yet; it begins with the connection itself."""

    def __init__(self, io: IOModel) -> None:
        self._io = io
        self._messages: deque[Message] = deque([{"type": "websocket.connect"}])
        self._takers: deque[Bridge] = deque()
        self._spare: Bridge | None = None
        """One that nobody waits on, to be used again."""
        self._room = Waiter()
        self._fragments: list[bytes] = []
        self._opcode = TEXT

    async def take(self) -> Message:
        """The next message; waits for one."""
        while not self._messages:
            await self._arrival()
        if len(self._messages) <= AHEAD:
            self.release()
        return self._messages.popleft()

    @types.coroutine
    def _arrival(self) -> Generator[Bridge, None, None]:
        bridge, self._spare = self._spare or Bridge(asyncio.get_running_loop()), None
        bridge._asyncio_future_blocking = True  # noqa: SLF001 - asyncio's own protocol
        self._takers.append(bridge)
        try:
            yield bridge
        except BaseException:
            if bridge in self._takers:
                self._takers.remove(bridge)
            else:
                self.tell()  # what we were told of is for another
            bridge.release()
            raise
        self._spare = bridge

    def put(self, message: Message) -> None:
        """Queue it; `tell` lets the application have it."""
        self._messages.append(message)

    def tell(self) -> None:
        """Whoever waits for what has been put goes on, at once if no task is running."""
        for _ in range(min(len(self._messages), len(self._takers))):
            self._takers.popleft().send(None)

    def put_frame(self, frame: Frame) -> None:
        """A frame of a message, which is put with its last one. Raises `UnicodeDecodeError`."""
        if frame.opcode is not CONT:
            self._opcode = frame.opcode
        data = bytes(frame.data)
        if not frame.fin:
            self._fragments.append(data)
            return
        if self._fragments:
            data = b"".join((*self._fragments, data))
            self._fragments.clear()
        if self._opcode is TEXT:
            self._messages.append({"type": "websocket.receive", "text": data.decode()})
        else:
            self._messages.append({"type": "websocket.receive", "bytes": data})

    @property
    def full(self) -> bool:
        return len(self._messages) > AHEAD

    async def room(self) -> None:
        """Until the application has taken something."""
        await self._room

    def release(self) -> None:
        """Let whoever waits for room go on."""
        if self._room.task is not None:
            self._io.resume(self._room)
