"""Messages on their way from a websocket to its application: assembled, queued, awaited.

What waits is bounded by its number and by the memory that it takes, inflated and decoded; so
is a message of which fragments are still to come, by the largest message (`frames`).
The connection's coroutine puts them in and is no task of asyncio, so a task that waits for one
can be resumed there and then (`takers`).
"""

from __future__ import annotations

import codecs
from collections import deque
from sys import getsizeof

from websockets.frames import Frame, Opcode

from ....iomodels.interface import IOModel, Waiter
from ..hearers import Hearers
from ..messages import Message
from ..takers import Takers

CONT, TEXT = Opcode.CONT, Opcode.TEXT
MESSAGE_BYTES = 256
"""What a message takes beside its content."""

UTF8 = codecs.getincrementaldecoder("utf-8")


class Inbox:
    """What an application has not taken yet; it begins with the connection itself.

    It is full when more than `most` messages wait, or more than `most_bytes`.
    """

    def __init__(self, io: IOModel, most: int, most_bytes: int) -> None:
        self._io = io
        self._most = most
        self._most_bytes = most_bytes
        self._messages: deque[tuple[Message, int]] = deque([({"type": "websocket.connect"}, 0)])
        """Each with the memory that it takes."""
        self._bytes = 0
        self._takers = Takers(self.deliver)
        self.hearers = Hearers()
        self._room = Waiter()
        self._fragments = bytearray()
        """One piece of memory: each piece of its own would take more than a small fragment."""
        self._opcode = TEXT
        self._judge = UTF8()

    def left(self) -> list[Message]:
        """Those that the application has not taken; they stay here, too."""
        return [message for message, _ in self._messages]

    async def take(self) -> Message:
        """The next message; waits for one."""
        while not self._messages:
            self.hearers.add()
            try:
                await self._takers.wait()
            finally:
                self.hearers.discard()
        message, size = self._messages.popleft()
        if message["type"] == "websocket.disconnect":
            self.hearers.add()
        self._bytes -= size
        if self._room.task is not None and not self.full:
            self.release()
        return message

    def put(self, message: Message) -> None:
        """Queue it; `deliver` lets the application have it."""
        self._messages.append((message, 0))

    def deliver(self) -> None:
        """The task that waits for what has been put goes on, at once if no task is running."""
        for _ in range(min(len(self._messages), len(self._takers))):
            self._takers.resume_next()

    def put_frame(self, frame: Frame) -> None:
        """A frame of a message, which is put with its last one. Raises `UnicodeDecodeError`."""
        if frame.fin and frame.opcode is not CONT:
            self._add(frame.opcode, bytes(frame.data))
        else:
            self._add_fragment(frame)

    def _add_fragment(self, frame: Frame) -> None:
        """A text that is none is noticed before its last one."""
        if frame.opcode is not CONT:
            self._opcode = frame.opcode
            self._judge.reset()
        if self._opcode is TEXT:
            self._judge.decode(frame.data)
        self._fragments += frame.data
        if frame.fin:
            data, self._fragments = bytes(self._fragments), bytearray()
            self._add(self._opcode, data)

    def _add(self, opcode: Opcode, data: bytes) -> None:
        message: Message
        if opcode is TEXT:
            text = data.decode()
            message, size = {"type": "websocket.receive", "text": text}, getsizeof(text)
        else:
            message, size = {"type": "websocket.receive", "bytes": data}, getsizeof(data)
        size += MESSAGE_BYTES
        self._messages.append((message, size))
        self._bytes += size

    @property
    def full(self) -> bool:
        return len(self._messages) > self._most or self._bytes > self._most_bytes

    async def room(self) -> None:
        """Until the application has taken something."""
        await self._room

    def release(self) -> None:
        """Let the connection that waits for room go on."""
        if self._room.task is not None:
            self._io.resume(self._room)
