"""What a connection of HTTP/2 does with one request.

A request that content has the whole answer to is answered in the loop, and all such answers of one
receive leave together.  Each other one is served by a coroutine of its own: side by side where the
I/O model overlaps, in turn where it does not (blocking).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Any, Protocol

from ..errors import DeadlineExceeded, PeerGone, ProtocolError
from ..http1.answer import ANSWERED, Responder, Whole
from ..http1.exchange import OVER
from ..http1.explaining.explained import refused
from ..http1.limits import Limits
from ..http1.logged import NOTHING_SENT, AccessLogger, LoggedRequest
from ..http1.response import DateField
from ..http1.slow_path import unforeseen
from ..iomodels.interface import Connection
from .body import StreamBody
from .exchange import StreamExchange
from .flow.multiplexer import Multiplexer
from .framing import CANCEL, INTERNAL, NO_ERROR
from .offered import Http2Settings
from .request import UNREAD, Asking, Fields, Requests
from .response_fields import added_to, response_fields
from .stream import StreamConnection
from .tunnel import Tunnel


class OfWorker(Protocol):
    """What the connections of one worker share (`connection.Http2`)."""

    content: Responder
    limits: Limits
    settings: Http2Settings
    access_logger: AccessLogger | None
    date: DateField
    requests: Requests


class Dispatcher:
    """The requests of one connection."""

    def __init__(self, shared: OfWorker, conn: Connection) -> None:
        self._shared = shared
        self._conn = conn
        self.streams = Multiplexer(conn, shared.limits, shared.settings, self._begin)
        logger = shared.access_logger
        self._access_log = None if logger is None else logger.log_of(conn)
        self._quiet_since = monotonic()
        """When the last exchange was over."""
        self._last = UNREAD
        """The request before, if it is known: many clients ask for the same again, and to compare
        takes half as long as to look it up."""
        # At once, so that what needs no waiting leaves together; but while content runs the model
        # within a step, streams must begin, and the others be heard, which we do.
        self._in_turn = shared.content.nests
        self._spawn = conn.io.spawn if self._in_turn else conn.io.spawn_now

    def _begin(self, event: Any) -> None:
        """Answer it, if that needs no waiting, or begin to."""
        shared, streams = self._shared, self.streams
        now = monotonic()
        stream: StreamConnection = StreamConnection(streams, event.stream_id)
        asking = UNREAD
        try:
            fields, ends, last = event.headers, event.end_stream, self._last
            is_same = ends is last.ends and fields == last.fields
            asking = last if is_same else self._asked(fields, ends)
            request, head = asking.request, asking.head
            if asking.brings_more:
                stream = self._with_body(stream, asking)
            answer = shared.content.answer_at_once(request, head, stream, now)
            if type(answer) is Whole and self._send_whole(stream, asking, answer, now):
                return
            since = now if self._access_log is None else self._since(now)
            exchange = StreamExchange(
                stream, request, head, stream.request_body, shared.limits, shared.date
            )
            content = shared.content
            if self._in_turn or stream.body is not None:
                respond = content.respond if answer is None else answer.through
                rest = partial(respond, exchange)
            else:
                # Called and not looked up first: that would make a bound method for each request.
                awaitable = (
                    content.respond(exchange) if answer is None else answer.through(exchange)
                )
                if awaitable is ANSWERED:
                    if self._access_log is not None:
                        self._log_exchange(stream, asking, exchange, now, since)
                    return
                rest = partial(same, awaitable)
        except BaseException as error:  # noqa: BLE001 - the edge of content
            self._refuse(stream, asking, now, unforeseen(asking.request, error))
            return
        streams.add(stream)
        stream.task = task = self._serve(stream, asking, exchange, now, since, rest)
        self._spawn(task)

    def _asked(self, fields: Fields, ends: bool) -> Asking:  # noqa: FBT001 - for each request
        """Raises `ProtocolError`."""
        asking = self._shared.requests.of(fields, ends)
        if asking.fields is not None:
            self._last = asking
        return asking

    def _with_body(self, stream: StreamConnection, asking: Asking) -> StreamConnection:
        """Raises `ProtocolError`."""
        if asking.opens_socket:
            return Tunnel(self.streams, stream.number)
        stream.body = stream.request_body = StreamBody(stream, asking.request, self._shared.limits)
        return stream

    def _since(self, now: float) -> float:
        """A connection waits for its next request while it has no stream; one that comes beside
        others has not been waited for."""
        return now if self.streams.streams else self._quiet_since

    def _send_whole(
        self, stream: StreamConnection, asking: Asking, answer: Whole, now: float
    ) -> bool:
        """Whether it fits: all of it leaves with what else this receive has asked for."""
        head = answer.head
        if not (head.is_ordinary and asking.takes_whole) or stream.adding:
            return False
        body = answer.body
        size = len(body)
        if not stream.has_room(size):
            return False
        begun = monotonic()  # content may have taken its time
        fields = response_fields(stream, head, size, self._shared.date, begun)
        try:
            self.streams.frames.respond_whole(stream.number, fields, body)
        except PeerGone:
            size = -1  # the client has ended the stream with the bytes that began it
        if self._access_log is not None:
            status = NOTHING_SENT if size < 0 else head.status
            asked = asking.logged(now, begun, self._since(now), stream.request_id)
            self._log(asked, status, max(0, size), complete=size >= 0)
        return True

    async def _serve(  # noqa: PLR0917 - made once a request, and keywords cost
        self,
        stream: StreamConnection,
        asking: Asking,
        exchange: StreamExchange,
        now: float,
        since: float,
        rest: Callable[[], Awaitable[None]],
    ) -> None:
        """Wait for the `rest` of an answer to a request that has come `now`; since when that was
        waited for. Raises nothing but GeneratorExit."""
        code = NO_ERROR
        refusal: ProtocolError | None = None
        try:
            try:
                await rest()
                if stream.carries_socket:
                    await stream.close()
            except OVER:
                raise
            except BaseException as error:  # noqa: BLE001 - the edge of content
                refusal = unforeseen(asking.request, error)
            if refusal is not None:
                code = await refuse(exchange, refusal)
        except OVER as error:
            code = CANCEL if isinstance(error, DeadlineExceeded) else INTERNAL
            if isinstance(error, GeneratorExit):
                raise
        finally:
            self._end_stream(stream, exchange, code)
            if self._access_log is not None:
                self._log_exchange(stream, asking, exchange, now, since)
        self.streams.outgoing.soon()

    def _log_exchange(
        self,
        stream: StreamConnection,
        asking: Asking,
        exchange: StreamExchange,
        now: float,
        since: float,
    ) -> None:
        begun, complete = exchange.begun_at or monotonic(), is_complete(stream, exchange)
        asked = asking.logged(now, begun, since, stream.request_id)
        status = exchange.status or NOTHING_SENT
        self._log(asked, status, exchange.size, complete=complete)

    def _end_stream(self, stream: StreamConnection, exchange: StreamExchange, code: int) -> None:
        body, frames = stream.body, self.streams.frames
        if not is_complete(stream, exchange):
            frames.reset(stream.number, code or INTERNAL)
        elif body is not None and not body.finished:
            frames.reset_when_left(stream.number)
        if body is not None:
            frames.read(stream.number, body.ahead)
        self.streams.remove(stream)
        stream.task = None

    def _refuse(
        self, stream: StreamConnection, asking: Asking, now: float, refusal: ProtocolError
    ) -> None:
        """Say why. The connection goes on: its framing is in no doubt."""
        response = refused(refusal, asking.head)
        assert isinstance(response.body, bytes)
        fields = [(name.lower(), value) for name, value in response.fields]
        length = (b"content-length", b"%d" % response.length)
        fields = [(b":status", b"%d" % refusal.status), length, *fields]
        if stream.adding:
            fields = added_to(stream, fields)
        asked = asking.logged(now, monotonic(), self._since(now), stream.request_id)
        try:
            self.streams.frames.respond_whole(stream.number, fields, response.body)
        except OVER:
            return
        self.streams.frames.reset_when_left(stream.number)
        self._log(asked, refusal.status, response.length, complete=True)

    def _log(self, asked: LoggedRequest, status: int, size: int, *, complete: bool) -> None:
        if self._access_log is not None:
            self._quiet_since = self._access_log.record(asked, status, size, complete=complete)


def same(answer: Awaitable[None]) -> Awaitable[None]:
    return answer


async def refuse(exchange: StreamExchange, refusal: ProtocolError) -> int:
    """Say why, if nothing has been said yet; the code to end the stream with otherwise."""
    if exchange.started:
        return INTERNAL
    await exchange.answer(refused(refusal, exchange.request_head))
    return NO_ERROR


def is_complete(stream: StreamConnection, exchange: StreamExchange) -> bool:
    """Whether all has been said."""
    return exchange.finished or stream.has_ended


SERVED = tuple(
    method.__code__
    for method in (Dispatcher._begin, Dispatcher._serve)  # noqa: SLF001
)
"""Where one request is answered: the code has its stream as `stream`."""
