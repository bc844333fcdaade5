"""The streams of one connection: who reads for all, and how long each may wait.

Facts.        A connection has one receive at a time; its streams wait for it.  A stream whose
              client gives no window can only go on when something is read.
Choice.       Whoever waits reads, if no other does: the coroutine of the connection, mostly, and
              that of a stream where nothing else runs (a blocking model, whose streams are answered
              in turn).  So no window is waited for by all.
Assumption.   What a stream waits for is brought by a frame of the client: once all has been sent,
              nothing that another stream does can end its wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..errors import DeadlineExceeded, PeerGone
from ..http1.limits import Limits
from ..iomodels.interface import Connection, Waiter
from ..iomodels.lifetime import NEVER
from . import framing
from .framing import Framing
from .offered import Http2Settings
from .outgoing import Outgoing
from .stream import StreamConnection

if TYPE_CHECKING:
    import ngh2

NOTICE_S = 1.0
"""How soon a connection with open streams notices that the server stops."""


class Multiplexer:
    """Raises `DeadlineExceeded` where nothing was asked for too long, and what `until` says."""

    def __init__(
        self,
        conn: Connection,
        limits: Limits,
        settings: Http2Settings,
        begin: Callable[[ngh2.RequestReceived], None],
    ) -> None:
        """`begin` answers a request, or adds a stream that will."""
        self.conn = conn
        self.limits = limits
        self.frames = Framing(limits, settings)
        self.streams: dict[int, StreamConnection] = {}
        """Those that are not over; what is answered at once never is among them."""
        self.asked: deque[ngh2.RequestReceived] = deque()
        """Requests that have come and were not begun."""
        self._early: dict[int, list[Any]] = {}
        """What has come of their bodies, by their streams."""
        self._begin = begin
        self._begins = False
        self._most = settings.http2_streams
        self.ended = False
        """Whether the client sends nothing more."""
        self.failure: Exception | None = None
        """Why, if it has not just left."""
        self.room = 0
        """How many bytes of bodies would leave at once."""

        # Who does what, and who waits.
        self.outgoing = Outgoing(conn, self.frames, limits, self._limit_reading, self.end_all)
        self._reads = False
        self._waiting: list[StreamConnection] = []
        """Streams that wait for the client; twice where one sends and listens."""
        self._main: Waiter | None = None
        """The coroutine of the connection, while another reads."""
        self._idle_until = NEVER
        self._handlers: dict[type, Callable[[Any], None]] = {
            framing.Asked: self._asked,
            framing.Came: self._came,
            framing.Trailed: self._trailed,
            framing.Reset: self._reset,
            framing.Closed: self._reset,
            framing.Widened: self._widened,
            framing.Changed: self._changed,
        }

    # Waiting

    async def until(self, ready: Callable[[], bool], stream: StreamConnection) -> None:
        """Wait until that is true, which only a frame of the client can make it.

        Raises `PeerGone`, `DeadlineExceeded`.
        """

        def has_news() -> bool:
            return ready() or stream.is_over

        while True:
            await self.outgoing.flushed(has_news)
            if ready():
                return
            stream.check()
            if self.ended:
                raise PeerGone("the client says nothing more")
            self._waiting.append(stream)
            try:
                if self._reads:
                    self._shorten_wait(stream.deadline)
                    await stream.parked()
                else:
                    await self._read()
            finally:
                self._waiting.remove(stream)

    async def next_requests(self, idle_until: float) -> None:
        """For the coroutine of the connection: until there is something for it to do."""
        self._idle_until = idle_until
        while True:
            await self.outgoing.now()
            if (self.asked and self._has_place) or (self.ended and not self.streams):
                return
            if self._reads or self.ended:
                self._main = waiter = Waiter()
                await waiter
            else:
                await self._read()
                if self.conn.closing:
                    return

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
                if self._expire() or self.streams:
                    return
                data = await conn.last_words()
            conn.heard()
            self._take(data)
        except PeerGone as error:
            self.failure = error
            self.end_all()
        finally:
            self._reads = False
            self.wake_main()

    def _limit_reading(self) -> None:
        """A send is over, whose time was another."""
        if self._reads:
            self._limit_wait()

    def _limit_wait(self) -> None:
        """The connection may wait as long as the first of those that wait on it."""
        if self.outgoing.busy:
            return  # which has its own time
        if not self.streams:
            self.conn.begin_waiting(self._idle_until)
            return
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

    def wake(self, stream: StreamConnection) -> None:
        for waiter in stream.waiters:
            self.conn.io.resume(waiter)

    def wake_main(self) -> None:
        waiter, self._main = self._main, None
        if waiter is not None:
            self.conn.io.resume(waiter)

    # What has come

    def _take(self, data: bytes) -> None:
        if not data:
            self.ended = True
            for stream in self._waiting:
                self.wake(stream)
            return
        handlers = self._handlers
        for event in self.frames.receive(data):
            handle = handlers.get(type(event))
            if handle is not None:
                handle(event)
        self.room = self.frames.window

    def take(self, data: bytes) -> None:
        """What has come before this connection was known to speak HTTP/2. Raises `ClientError`."""
        self._take(data)

    def _asked(self, event: ngh2.RequestReceived) -> None:
        self.asked.append(event)
        if not event.end_stream:
            self._early[event.stream_id] = []

    def _came(self, event: ngh2.DataReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is None or stream.body is None:
            early = self._early.get(event.stream_id)
            if early is not None:
                early.append(event)
            else:  # Its stream is over: the window of the connection is everybody's.
                self.frames.read(event.stream_id, len(event.data))
            return
        stream.body.put(event.data)
        if event.end_stream:
            stream.body.end()
        self.wake(stream)

    def _trailed(self, event: ngh2.TrailersReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None and stream.body is not None:
            stream.body.end()
            self.wake(stream)
        elif event.stream_id in self._early:
            self._early[event.stream_id].append(event)

    def _reset(self, event: Any) -> None:
        """By the client; or it is over for both, which whoever serves it knows."""
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            self.end_stream(stream)
        elif self.asked:
            self._forget(event.stream_id)

    def _forget(self, number: int) -> None:
        """Nobody waits for the answer any more: it is not begun."""
        asked = [event for event in self.asked if event.stream_id != number]
        if len(asked) < len(self.asked):
            self.asked.clear()
            self.asked.extend(asked)
            self._replay(number)

    def _widened(self, event: ngh2.WindowUpdated) -> None:
        if event.stream_id:
            stream = self.streams.get(event.stream_id)
            if stream is not None:
                self.wake(stream)
        else:
            self._changed(event)

    def _changed(self, _: Any) -> None:
        """A window of all streams."""
        self.wake_all()

    def end_body(self, stream: StreamConnection) -> None:
        """Nothing follows what has been sent on it."""
        try:
            self.frames.send(stream.number, b"", end=True)
        except PeerGone:
            self.end_stream(stream)
        self.outgoing.soon()

    def end_stream(self, stream: StreamConnection) -> None:
        stream.gone = True
        self.wake(stream)

    def end_all(self) -> None:
        """Nothing more is sent or comes: what is being answered is given up."""
        self.ended = True
        self.asked.clear()
        self._early.clear()
        for stream in self.streams.values():
            self.end_stream(stream)
        self.wake_main()

    # Its streams

    def wake_all(self) -> None:
        """The server stops: whoever waits looks what that means to it."""
        for stream in self._waiting:
            self.wake(stream)

    def begin_asked(self) -> None:
        """Begin what has been asked for, as long as there is a place.

        A stream that the client has reset has its place until its application has ended, too: else
        a client that resets at once could have any number at work.
        """
        if self._begins:
            return  # in a stream of a model that does not overlap: the outer one goes on
        self._begins = True
        try:
            while self.asked and self._has_place:
                event = self.asked.popleft()
                self._begin(event)
                self._replay(event.stream_id)
        finally:
            self._begins = False

    @property
    def _has_place(self) -> bool:
        return len(self.streams) < self._most

    def _replay(self, number: int) -> None:
        """What came before it was begun comes now."""
        for event in self._early.pop(number, ()):
            self._handlers[type(event)](event)

    def add(self, stream: StreamConnection) -> None:
        self.streams[stream.number] = stream
        self._replay(stream.number)

    def remove(self, stream: StreamConnection) -> None:
        """It is over."""
        self.streams.pop(stream.number, None)
        if self.asked:
            self.begin_asked()
        if not self.streams:
            self._limit_reading()
            if self.ended or self.conn.closing:
                self.wake_main()
