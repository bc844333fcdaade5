"""Who sends for all streams of a connection.

Facts.        A connection takes one send at a time, and a send that is given up in the middle has
              sent half a frame: nothing can follow it.  A coroutine of a stream may be given up at
              any moment, by an application that cancels what it waits in.
Choice.       Only a coroutine that nobody gives up sends, begun for all who have something to send:
              by that of the connection, which goes on when the kernel takes no more (`begin`), or
              for a stream (`soon`).  What the streams of one turn give leaves together.  Sends are
              numbered: a stream waits for the first that has begun after it gave something, and
              not until there is nothing to send, which others may put off for ever.
Cost.         A stream that waits for its send goes on one turn of the model later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ...errors import DeadlineExceeded, PeerGone
from ...http1.limits import Limits
from ...iomodels.interface import Connection, Waiter
from ..framing import Framing

MOST_PARTS = 16
"""Of one send: a client that asks without end must not keep those waiting whose part has left."""


class Parks(Protocol):
    """What this needs of a stream (`StreamConnection`)."""

    @property
    def cut(self) -> bool: ...
    async def parked(self, others: list[Waiter]) -> None: ...


class Carries(Protocol):
    """What this needs of a connection that comes to its end (`Multiplexer`)."""

    def end_all(self) -> None: ...
    def end_reading(self) -> None: ...


class Outgoing:
    """Of one connection."""

    def __init__(
        self,
        conn: Connection,
        frames: Framing,
        limits: Limits,
        ended: Callable[[], None],
        carrier: Carries,
    ) -> None:
        """`ended` is called when a send is over."""
        self._conn = conn
        self._frames = frames
        self._to_send = frames.to_send
        self._limits = limits
        self._ended = ended
        self._carrier = carrier
        self.busy = self.is_due = False
        """`busy`: whether it sends, or a file is read in its place; `is_due`: whether it will."""
        self.begun = self.over = 0
        """The number of the last send that has begun, and of the last that is over."""
        self.waiting: list[Waiter] = []
        """Those that go on when the present send is over."""
        self.failure: Exception | None = None
        """Why nothing can be sent any more."""

    async def now(self) -> None:
        """Have all sent that may be, and wait for it; by a coroutine that nobody gives up."""
        while self.busy:
            waiter = Waiter()
            self.waiting.append(waiter)
            await waiter
        self.busy = True
        try:
            while await self._sends_on():
                self._wake()
        except (PeerGone, DeadlineExceeded) as error:
            self.failure = error
            self._carrier.end_all()
        finally:
            self._end()

    def begin(self) -> None:
        """Have all sent that may be, as far as the kernel takes it at once; the rest is sent while
        the caller goes on."""
        if self.busy:
            self.soon()
        else:
            self.is_due = True
            self._conn.io.spawn_now(self.now())

    def soon(self) -> int:
        """Have all sent once the coroutines that can go on have had their turn; the number of the
        send that does it."""
        number = self.begun + 1
        if not self.is_due:
            self.is_due = True
            self._conn.io.spawn(self._when_due())
        return number

    async def _when_due(self) -> None:
        """If it still is: the coroutine of the connection may have sent meanwhile (`begin`)."""
        if self.is_due:
            await self.now()

    def end(self) -> None:
        """The connection is being closed: what the kernel has still to take is the last, also of a
        send that is under way."""
        self.failure = self.failure or PeerGone("the connection has ended")

    async def read_file(self, stream: Parks, file: Any, offset: int, count: int) -> bytes:
        """In the place of a send: an engine may have one buffer for both (aio:posix). Raises
        `PeerGone`: nobody wants it any more."""
        while self.busy:
            if stream.cut:
                raise PeerGone("the client has ended the stream")
            await stream.parked(self.waiting)
        self.busy = True
        try:
            self._conn.allow(self._limits.send_s)
            return await self._conn.read_file(file, offset, count)
        finally:
            self._end()

    def _end(self) -> None:
        self.busy = False
        self._wake()
        self._ended()

    def _wake(self) -> None:
        self.over = self.begun
        waiting, self.waiting = self.waiting, []
        for waiter in waiting:
            self._conn.io.resume(waiter)

    async def _sends_on(self) -> bool:
        """One send; whether there may be more, and those that wait for this one have a look first.

        Raises `PeerGone`, `DeadlineExceeded`.
        """
        self.is_due = False
        self.begun += 1
        conn, to_send = self._conn, self._to_send
        for _ in range(MOST_PARTS):
            if self.failure is not None:
                return False
            out = to_send()
            if not out:
                break
            conn.allow(self._limits.send_s)
            if not conn.send_soon(out):
                await conn.send(out)
        else:
            return True
        if self._frames.are_over:
            self._end_all_streams()
        return False

    def _end_all_streams(self) -> None:
        """Those whose response has left are no failures: they go on, and end. Raises `PeerGone`."""
        if not self._frames.end.is_agreed:
            raise PeerGone("the client has broken HTTP/2, and knows why")
        self._carrier.end_reading()
