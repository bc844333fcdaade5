"""What comes for the streams of one connection: their table, and the requests that have not begun.

Facts.        One receive may bring many requests, and parts of their bodies with them.  A client
              may have as many streams open as it has been told; those that it resets are no
              longer open, but their applications may still run.
Choice.       Requests wait until there is a place (`begin_asked`), and what comes of their bodies
              with them.  Streams beyond the number are refused, once for each receive, and not
              counted for each request.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...errors import PeerGone
from ...http1.limits import Limits
from ...iomodels.interface import Connection
from .. import framing
from ..framing import REFUSED, Asked, Closed, Framing
from ..offered import Http2Settings
from ..stream import AHEAD_BYTES, StreamConnection

if TYPE_CHECKING:
    import ngh2


class Incoming(ABC):
    """The half of a connection that is told what its client has sent; `Multiplexer` is the one that
    waits for it."""

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
        self.begins = False
        """Whether requests are being begun: whoever does begins the next ones, too."""
        self._most = settings.http2_streams
        self.ended = False
        """Whether the client sends nothing more."""
        self.room = 0
        """How many bytes of bodies would leave at once."""
        self._handlers: dict[type, Callable[[Any], None]] = {
            framing.Asked: self._asked,
            framing.Came: self._came,
            framing.Trailed: self._trailed,
            framing.Reset: self._reset,
            framing.Closed: self._closed,
            framing.Widened: self._widened,
            framing.Changed: self._settings_changed,
            framing.Answered: self._answered,
            framing.LeftOff: self._left_off,
        }

    def take(self, data: bytes) -> None:
        """What has come. Raises `ClientError`."""
        handlers, streams, asked = self._handlers, self.streams, self.asked
        is_late, last = self.frames.end.is_known, self.frames.last
        event: Any
        for event in self.frames.receive(data):
            kind = type(event)
            if kind is Asked and event.end_stream:
                asked.append(event)
                continue
            if kind is Closed and event.stream_id not in streams and not event.error_code:
                continue  # of each answer that has left whole: without another call
            handle = handlers.get(kind)
            if handle is not None:
                handle(event)
        if asked:
            self.frames.last = asked[-1].stream_id
            if is_late:
                self._refuse(sum(event.stream_id > last for event in asked))
            elif len(asked) + len(streams) > self._most:
                self._refuse_surplus()
        self.room = self.frames.takes(AHEAD_BYTES)

    def _refuse_surplus(self) -> None:
        """Streams that are open although the client has been told of fewer (RFC 9113, section
        5.1.2)."""
        count = len(self.asked) - self._most
        count += sum(not stream.gone for stream in self.streams.values())
        self._refuse(count)

    def _refuse(self, count: int) -> None:
        """So many of those that came last: the client may ask for them again, or elsewhere."""
        while count > 0 and self.asked:
            count -= 1
            number = self.asked.pop().stream_id
            self.frames.reset(number, REFUSED)
            self._replay(number)

    def _asked(self, event: ngh2.RequestReceived) -> None:
        """With a body to come."""
        self.asked.append(event)
        self._early[event.stream_id] = []

    def _came(self, event: ngh2.DataReceived) -> None:
        self.frames.came(len(event.data))
        stream = self.streams.get(event.stream_id)
        if stream is None or stream.body is None:
            early = self._early.get(event.stream_id)
            if early is not None:
                early.append(event)
            else:  # Its stream is over: the window of the connection is everybody's.
                self.frames.read(event.stream_id, len(event.data))
            return
        self._put(stream, event)

    def _put(self, stream: StreamConnection, event: ngh2.DataReceived) -> None:
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
        """By the client."""
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            self.cut_stream(stream)
        elif self.asked:
            self._forget(event.stream_id)

    def _closed(self, event: ngh2.StreamClosed) -> None:
        """It is over for both, which whoever serves it knows; or it has failed."""
        if event.error_code:
            self.frames.stream_failed()
            self._reset(event)
            return
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            self.end_stream(stream)

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

    def _settings_changed(self, event: Any) -> None:
        self.frames.settings_changed()
        self._changed(event)

    def _changed(self, _: Any) -> None:
        """A window of all streams."""
        self.wake_all()

    def _answered(self, event: ngh2.PingAcknowledged) -> None:
        self.frames.end.answered(event.opaque_data)

    def _left_off(self, _: Any) -> None:
        self.frames.end.left_off()

    # Waking those that wait

    def wake(self, stream: StreamConnection) -> None:
        for waiter in stream.waiters:
            self.conn.io.resume(waiter)

    @abstractmethod
    def wake_all(self) -> None:
        """Whoever waits looks what has changed."""

    # Its streams

    def begin_asked(self) -> None:
        """Begin what has been asked for, as long as there is a place.

        A stream that the client has reset has its place until its application has ended, too: else
        a client that resets at once could have any number at work.
        """
        if self.begins:
            return  # in a stream of a model that does not overlap: the outer one goes on
        self.begins = True
        asked, streams, most, begin = self.asked, self.streams, self._most, self._begin
        try:
            while asked and len(streams) < most:
                event = asked.popleft()
                begin(event)
                if self._early:
                    self._replay(event.stream_id)
        finally:
            self.begins = False

    @property
    def _has_place(self) -> bool:
        return len(self.streams) < self._most

    def _replay(self, number: int) -> None:
        """What came before it was begun comes now."""
        for event in self._early.pop(number, ()):
            stream = self.streams.get(number)
            if stream is None or stream.body is None:
                self.frames.read(number, len(getattr(event, "data", b"")))
            elif type(event) is framing.Came:
                self._put(stream, event)
            else:
                self._trailed(event)

    def add(self, stream: StreamConnection) -> None:
        self.streams[stream.number] = stream
        if self._early:
            self._replay(stream.number)

    def end_body(self, stream: StreamConnection) -> None:
        """Nothing follows what has been sent on it."""
        try:
            self.frames.send(stream.number, b"", end=True)
        except PeerGone:
            self.end_stream(stream)

    def end_stream(self, stream: StreamConnection) -> None:
        """Nothing more comes."""
        stream.gone = True
        self.wake(stream)

    def cut_stream(self, stream: StreamConnection) -> None:
        """Nor is what it has sent still wanted."""
        stream.cut = True
        self.end_stream(stream)

    def forget_all(self) -> None:
        """Nothing more is sent or comes: what is being answered is given up."""
        self.ended = True
        self.asked.clear()
        self._early.clear()
        for stream in self.streams.values():
            self.cut_stream(stream)
