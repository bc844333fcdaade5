"""Messages on their way from a websocket to its application: assembled, queued, awaited.

What waits is bounded by its number and by the memory that it takes, inflated and decoded; so
is a message of which fragments are still to come, by the largest message (`asgi_frames`).
The connection's coroutine puts them in and is no task of asyncio, so whoever waits for one
can be resumed there and then (iomodels.asyncio_bridge).
"""

from __future__ import annotations

import asyncio
import codecs
import types
from collections import deque
from collections.abc import Generator
from sys import getsizeof

from websockets.frames import Frame, Opcode

from ..iomodels.asyncio_bridge import Bridge
from ..iomodels.base import IOModel, Waiter
from .asgi_messages import Message

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
        self._messages: deque[Message] = deque([{"type": "websocket.connect"}])
        self._sizes: deque[int] = deque([0])
        self._bytes = 0
        self._takers: deque[Bridge] = deque()
        self._room = Waiter()
        self._fragments = bytearray()
        """One piece of memory: each piece of its own would take more than a small fragment."""
        self._opcode = TEXT
        self._judge = UTF8()

    async def take(self) -> Message:
        """The next message; waits for one."""
        while not self._messages:
            await self._arrival()
        self._bytes -= self._sizes.popleft()
        message = self._messages.popleft()
        if not self.full:
            self.release()
        return message

    @types.coroutine
    def _arrival(self) -> Generator[Bridge, None, None]:
        # A new one each time: one that had been used would resume the task of before, if the
        # message comes before this task waits.
        bridge = Bridge(asyncio.get_running_loop())
        bridge._asyncio_future_blocking = True  # noqa: SLF001 - asyncio's own protocol
        self._takers.append(bridge)
        try:
            yield bridge
        except BaseException:
            if bridge in self._takers:
                self._takers.remove(bridge)
            else:
                self.tell()  # what we were told of is for another
            raise
        finally:
            bridge.release()

    def put(self, message: Message, size: int = 0) -> None:
        """Queue it; `tell` lets the application have it."""
        self._messages.append(message)
        self._sizes.append(size)
        self._bytes += size

    def tell(self) -> None:
        """Whoever waits for what has been put goes on, at once if no task is running."""
        for _ in range(min(len(self._messages), len(self._takers))):
            self._takers.popleft().send(None)

    def put_frame(self, frame: Frame) -> None:
        """A frame of a message, which is put with its last one. Raises `UnicodeDecodeError`."""
        if frame.opcode is CONT:
            data = self._joined(frame)
        elif frame.fin:
            self._opcode = frame.opcode
            data = bytes(frame.data)
        else:
            self._opcode = frame.opcode
            self._judge.reset()
            data = self._joined(frame)
        if not frame.fin:
            return
        content: str | bytes
        if self._opcode is TEXT:
            content = data.decode()
            message: Message = {"type": "websocket.receive", "text": content}
        else:
            content = data
            message = {"type": "websocket.receive", "bytes": content}
        self.put(message, MESSAGE_BYTES + getsizeof(content))

    def _joined(self, frame: Frame) -> bytes:
        """All fragments so far, if this is the last; a text that is none is noticed at once."""
        if self._opcode is TEXT:
            self._judge.decode(frame.data)
        self._fragments += frame.data
        if not frame.fin:
            return b""
        data, self._fragments = bytes(self._fragments), bytearray()
        return data

    @property
    def full(self) -> bool:
        return len(self._messages) > self._most or self._bytes > self._most_bytes

    async def room(self) -> None:
        """Until the application has taken something."""
        await self._room

    def release(self) -> None:
        """Let whoever waits for room go on."""
        if self._room.task is not None:
            self._io.resume(self._room)
