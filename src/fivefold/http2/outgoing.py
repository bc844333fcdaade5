"""Who sends for all streams of a connection.

Facts.        A connection takes one send at a time, and a send that is given up in the middle has
              sent half a frame: nothing can follow it.  A coroutine of a stream may be given up at
              any moment, by an application that cancels what it waits in.
Choice.       Only the coroutine of the connection sends, or one that nobody gives up, begun for all
              who have something to send (`soon`); a stream waits until what it gave has left
              (`flushed`).  What the streams of one turn give leaves together.
Cost.         A stream that waits for its send goes on one turn of the model later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DeadlineExceeded, PeerGone
from ..http1.limits import Limits
from ..iomodels.interface import Connection, Waiter
from .framing import Framing


class Outgoing:
    """Of one connection."""

    def __init__(
        self,
        conn: Connection,
        frames: Framing,
        limits: Limits,
        ended: Callable[[], None],
        failed: Callable[[], None],
    ) -> None:
        """`ended` is called when a send is over, `failed` when nothing can be sent any more."""
        self._conn = conn
        self._frames = frames
        self._to_send = frames.to_send
        self._limits = limits
        self._ended = ended
        self._failed = failed
        self.busy = self._is_due = False
        """`busy`: whether it sends, or a file is read in its place."""
        self._begun = self._over = 0
        """The number of the last send that has begun, and of the last that is over."""
        self._waiting: list[Waiter] = []
        self.failure: Exception | None = None
        """Why nothing can be sent any more."""

    async def now(self) -> None:
        """Have all sent that may be, by the calling coroutine, which nobody gives up."""
        await self._begin()
        try:
            await self._send_all()
        except (PeerGone, DeadlineExceeded) as error:
            self.failure = error
            self._failed()
        finally:
            self._end()

    def soon(self) -> None:
        """Have all sent once the coroutines that can go on have had their turn."""
        if not self._is_due:
            self._is_due = True
            self._conn.io.spawn(self.now())

    async def flushed(self, has_news: Callable[[], bool] | None = None) -> None:
        """Wait until all that may be sent now is with the kernel. Raises `PeerGone`.

        Who has news then goes on, whatever others have begun to send meanwhile: else one of several
        streams would have the whole connection, and one that looks again and again would keep all
        from seeing that their time is over.  Who has none waits for those sends, too, which may
        take what a window has let go.
        """
        own = self._begun + 1
        self.soon()  # where nothing overlaps it is over when this returns
        while self._over < own or (has_news and (self._is_due or self.busy) and not has_news()):
            await self._turn()
        if self.failure is not None:
            raise PeerGone("the connection has ended")

    async def read_file(self, file: Any, offset: int, count: int) -> bytes:
        """In the place of a send: an engine may have one buffer for both (aio:posix)."""
        await self._begin()
        try:
            self._conn.allow(self._limits.send_s)
            return await self._conn.read_file(file, offset, count)
        finally:
            self._end()

    async def _begin(self) -> None:
        while self.busy:
            await self._turn()
        self.busy = True

    async def _turn(self) -> None:
        waiter = Waiter()
        self._waiting.append(waiter)
        await waiter

    def _end(self) -> None:
        self.busy = False
        self._over = self._begun
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            self._conn.io.resume(waiter)
        self._ended()

    async def _send_all(self) -> None:
        self._is_due = False
        self._begun += 1
        conn, to_send = self._conn, self._to_send
        while self.failure is None and (out := to_send()):
            conn.allow(self._limits.send_s)
            if not conn.send_soon(out):
                await conn.send(out)
        if self._frames.are_over and self.failure is None:
            raise PeerGone("the client has broken HTTP/2, and knows why")
