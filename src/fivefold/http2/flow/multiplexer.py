"""The streams of one connection: who reads for all, and how long each may wait.

Facts.        A connection has one receive at a time; its streams wait for it.  A stream whose
              client gives no window can only go on when something is read.  A client that takes
              nothing at the moment may still send: the reset of a stream, or a body that it wants
              to be rid of before it reads.
Choice.       Whoever waits reads, if no other does: the coroutine of the connection, mostly, and
              that of a stream where nothing else runs (a blocking model, whose streams are answered
              in turn).  So no window is waited for by all.  The coroutine of the connection never
              waits for a send: what the kernel does not take at once another one sends
              (`Outgoing`).
Assumption.   What a stream waits for is brought by a frame of the client: once all has been sent,
              nothing that another stream does can end its wait.  Under a blocking engine a send
              that waits is the call itself, and nobody reads meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from ...errors import DeadlineExceeded, PeerGone
from ...http1.limits import Limits
from ...iomodels.interface import Connection, Waiter
from ...iomodels.lifetime import NEVER
from ..offered import Http2Settings
from ..stream import StreamConnection
from .incoming import Incoming
from .outgoing import Outgoing

if TYPE_CHECKING:
    import ngh2

NOTICE_S = 1.0
"""How soon a connection with open streams notices that the server stops."""


class Multiplexer(Incoming):
    """Raises `DeadlineExceeded` where nothing was asked for too long, and what `until` says."""

    def __init__(
        self,
        conn: Connection,
        limits: Limits,
        settings: Http2Settings,
        begin: Callable[[ngh2.RequestReceived], None],
    ) -> None:
        super().__init__(conn, limits, settings, begin)
        self.failure: Exception | None = None
        """Why the client sends nothing more, if it has not just left."""
        self.outgoing = Outgoing(conn, self.frames, limits, self._limit_reading, self)
        self._reads = False
        self._waiting: list[StreamConnection] = []
        """Streams that wait for the client; twice where one sends and listens."""
        self._main: Waiter | None = None
        """The coroutine of the connection, while another reads."""
        self._idle_until = NEVER

    # Waiting

    async def until(self, ready: Callable[[], bool], stream: StreamConnection) -> None:
        """Have all sent that may be, and wait until that is true, which only a frame of the client
        can make it. Raises `PeerGone`, `DeadlineExceeded`."""
        number = self.outgoing.soon()
        while not ready():
            number = await self._wait(stream, number)

    async def left(self, stream: StreamConnection) -> None:
        """Wait until the kernel has all that the stream has given to the frames; or nobody wants it
        any more: then that has gone, and what follows raises. Raises as `until`."""
        outgoing, queued = self.outgoing, self.frames.queued
        number = outgoing.soon()
        if outgoing.over < number:
            await stream.parked(outgoing.waiting)
        while not stream.cut and (outgoing.over < number or queued(stream.number)):
            number = await self._wait(stream, number)
        self._check_sending()

    async def flushed(self, stream: StreamConnection) -> None:
        """Wait until all that may be sent is with the kernel, as `left`. Raises `PeerGone`."""
        outgoing = self.outgoing
        number = outgoing.soon()
        while outgoing.over < number and not stream.cut:
            await stream.parked(outgoing.waiting)
        self._check_sending()

    async def _wait(self, stream: StreamConnection, number: int) -> int:
        """For the end of that send, or for a frame that wakes the stream; returns the number of the
        send that has what could be sent then."""
        outgoing = self.outgoing
        # A later send may have a part of this stream, too; but its time may be over whatever others
        # send, and who looks again and again must not keep it from seeing that.
        others = (outgoing.busy or outgoing.is_due) and not stream.is_over
        if (outgoing.over < number or others) and not stream.cut:
            await stream.parked(outgoing.waiting)
            return number
        self._check_sending()
        stream.check()
        if self.ended:
            raise PeerGone("the client says nothing more")
        self._waiting.append(stream)
        try:
            if self._reads:
                self._shorten_wait(stream.deadline)
                await stream.parked()
                return outgoing.begun  # by whoever reads
            await self._read()
            return outgoing.soon()
        finally:
            self._waiting.remove(stream)

    def _check_sending(self) -> None:
        if self.outgoing.failure is not None:
            raise PeerGone("the connection has ended")

    async def next_requests(self, idle_until: float) -> None:
        """For the coroutine of the connection: until there is something for it to do."""
        self._idle_until = idle_until
        while True:
            self.outgoing.begin()
            if (self.asked and self._has_place) or (self.nothing_comes and not self.streams):
                return
            if self._reads or self.ended:
                self._main = waiter = Waiter()
                await waiter
            else:
                await self._read()
                if self.conn.closing:
                    return

    @property
    def nothing_comes(self) -> bool:
        """Whether the client asks for nothing more: it has left, or knows that the server stops."""
        return self.ended or self.frames.end.is_known

    async def _read(self) -> None:
        """For all who wait: what the client sends next, or that it is somebody's time."""
        self._reads = True
        conn = self.conn
        try:
            self._limit_wait()
            data = None
            with suppress(DeadlineExceeded):
                data = await conn.recv()
            if data is None:
                if self._expire() or self.streams or self.outgoing.busy or self.ended:
                    return
                if conn.closing and not self.frames.end.announced:
                    return  # which the client is told first
                data = await conn.last_words()
            conn.heard()
            if data:
                self.take(data)
            else:
                self.end_reading()
        except PeerGone as error:
            self.failure = error
            self.end_all()
        finally:
            self._reads = False
            self.wake_main()

    def end_reading(self) -> None:
        """The client says nothing more, but may still take what it has asked for."""
        self.ended = True
        self.wake_all()

    def _limit_reading(self) -> None:
        """A send is over, whose time was another."""
        if self._reads:
            self._limit_wait()

    def _limit_wait(self) -> None:
        """The connection may wait as long as the first of those that wait on it."""
        if self.outgoing.busy:
            return  # which has its own time
        if self.ended or (self.frames.end.is_known and not self.streams):
            self.conn.wait_until(0.0)  # nothing that comes is of use: within a tick nobody reads
        elif not self.streams:
            self.conn.begin_waiting(self._idle_until)
        else:
            self.conn.heard()
            due = [stream.deadline for stream in self._waiting]
            self.conn.wait_until(min(monotonic() + NOTICE_S, *due, NEVER))

    def _shorten_wait(self, deadline: float) -> None:
        if not self.outgoing.busy and deadline < self.conn.deadline:
            self.conn.wait_until(deadline)

    def _expire(self) -> bool:
        """Whether a stream has waited too long; it raises that itself."""
        now = monotonic()
        due = [stream for stream in self._waiting if stream.deadline <= now]
        for stream in due:
            self.wake(stream)
        return bool(due)

    def wake_all(self) -> None:
        for stream in self._waiting:
            self.wake(stream)

    def wake_main(self) -> None:
        waiter, self._main = self._main, None
        if waiter is not None:
            self.conn.io.resume(waiter)

    # Its streams

    def end_body(self, stream: StreamConnection) -> None:
        super().end_body(stream)
        self.outgoing.soon()

    def end_all(self) -> None:
        """Nothing more is sent or comes: what is being answered is given up."""
        self.forget_all()
        self.wake_main()

    def remove(self, stream: StreamConnection) -> None:
        """It is over."""
        self.streams.pop(stream.number, None)
        if self.begins:
            return  # whoever begins them begins the next, and looks at the connection then
        if self.asked:
            self.begin_asked()
        if not self.streams:
            self._limit_reading()
            if self.ended or self.conn.closing:
                self.wake_main()
