"""Messages on their way from a websocket to its application: assembled, queued, awaited."""

from __future__ import annotations

import asyncio
from collections import deque

from websockets.frames import Frame, Opcode

from .asgi_http import Message

AHEAD = 16
"""Messages read ahead of the application."""


class Inbox:
    """What an application has not taken yet; it begins with the connection itself."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque([{"type": "websocket.connect"}])
        self._arrived: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._fragments: list[bytes] = []
        self._opcode = Opcode.TEXT

    async def take(self) -> Message:
        """The next message; waits for one."""
        while not self._messages:
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        if len(self._messages) <= AHEAD:
            self._room.set()
        return self._messages.popleft()

    def put(self, message: Message) -> None:
        self._messages.append(message)
        arrived, self._arrived = self._arrived, None
        if arrived is not None and not arrived.done():
            arrived.set_result(None)

    def put_frame(self, frame: Frame) -> None:
        """A frame of a message, which is put with its last one. Raises `UnicodeDecodeError`."""
        if frame.opcode is not Opcode.CONT:
            self._opcode = frame.opcode
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return
        data = b"".join(self._fragments)
        self._fragments.clear()
        if self._opcode is Opcode.TEXT:
            self.put({"type": "websocket.receive", "text": data.decode()})
        else:
            self.put({"type": "websocket.receive", "bytes": data})

    @property
    def full(self) -> bool:
        return len(self._messages) > AHEAD

    async def room(self) -> None:
        """Until the application has taken something."""
        self._room.clear()
        await self._room.wait()

    def release(self) -> None:
        """Let whoever waits for room go on: nothing more will be put."""
        self._room.set()
