"""What a connection of HTTP/2 does with one request.

A request that content has the whole answer to is answered in the loop, and all such answers of one
receive leave together.  Each other one is served by a coroutine of its own: side by side where the
I/O model overlaps, in turn where it does not (blocking).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Protocol

from ..errors import DeadlineExceeded, PeerGone, ProtocolError
from ..http1.answer import Responder, Whole
from ..http1.exchange import OVER, Exchange
from ..http1.explaining.explained import refused
from ..http1.limits import Limits
from ..http1.logged import NOTHING_SENT, AccessLogger, LoggedRequest
from ..http1.request import Request
from ..http1.response import DateField
from ..http1.slow_path import unforeseen
from ..iomodels.interface import Connection
from .body import StreamBody
from .exchange import StreamExchange
from .flow.multiplexer import Multiplexer
from .framing import CANCEL, INTERNAL, NO_ERROR
from .offered import Http2Settings
from .request import Asking, Requests
from .response_fields import response_fields
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

    def _begin(self, event: Any) -> None:
        """Answer it, if that needs no waiting, or begin to."""
        shared, streams, number = self._shared, self.streams, event.stream_id
        now = monotonic()
        stream: StreamConnection = StreamConnection(streams, number)
        request, head = Request(), b""
        try:
            asking = shared.requests.of(event.headers, event.end_stream)
            request, head = asking.request, asking.head
            if asking.opens_socket:
                stream = Tunnel(streams, number)
            elif request.has_body:
                stream.body = StreamBody(stream, request, shared.limits)
            answer = shared.content.answer_at_once(request, head, stream, now)
        except BaseException as error:  # noqa: BLE001 - the edge of content
            refusal = unforeseen(request, error)
            self._refuse(stream, self._asked(stream, asking_or_none(request), head, now), refusal)
            return
        if type(answer) is Whole and self._send_whole(stream, asking, answer, now):
            return
        asked = self._asked(stream, request, head, now)
        streams.add(stream)
        respond = shared.content.respond if answer is None else answer.through
        stream.task = task = self._serve(stream, asked, respond)
        self._conn.io.spawn(task)

    def _send_whole(
        self, stream: StreamConnection, asking: Asking, answer: Whole, now: float
    ) -> bool:
        """Whether it fits: all of it leaves with what else this receive has asked for."""
        head, request = answer.head, asking.request
        if not head.is_ordinary or stream.adding or request.has_body or request.method == "HEAD":
            return False
        if asking.opens_socket:
            return False  # the tunnel knows what an answer means there
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
            asked = self._asked(stream, request, asking.head, now)
            asked.begun = begun
            status = NOTHING_SENT if size < 0 else head.status
            self._log(asked, status, max(0, size), complete=size >= 0)
        return True

    async def _serve(
        self,
        stream: StreamConnection,
        asked: LoggedRequest,
        respond: Callable[[Exchange], Awaitable[None]],
    ) -> None:
        """Answer a request that may have to be waited for. Raises nothing but GeneratorExit."""
        shared = self._shared
        request, head = asked.request, asked.head
        assert request is not None
        exchange = StreamExchange(
            stream, request, head, stream.request_body, shared.limits, shared.date
        )
        code = NO_ERROR
        refusal: ProtocolError | None = None
        try:
            try:
                await respond(exchange)
                await stream.close()
            except OVER:
                raise
            except BaseException as error:  # noqa: BLE001 - the edge of content
                refusal = unforeseen(request, error)
            if refusal is not None and not exchange.started:
                await exchange.answer(refused(refusal, head))
            elif refusal is not None:
                code = INTERNAL
        except OVER as error:
            code = CANCEL if isinstance(error, DeadlineExceeded) else INTERNAL
            if isinstance(error, GeneratorExit):
                raise
        finally:
            self._end_stream(stream, exchange, asked, code)
        self.streams.outgoing.soon()

    def _end_stream(
        self, stream: StreamConnection, exchange: StreamExchange, asked: LoggedRequest, code: int
    ) -> None:
        unfinished = not (exchange.finished or stream.has_ended)
        body = stream.body
        frames = self.streams.frames
        if unfinished:
            frames.reset(stream.number, code or INTERNAL)
        elif body is not None and not body.finished:
            frames.reset_when_left(stream.number)
        if body is not None:
            frames.read(stream.number, body.ahead)
        self.streams.remove(stream)
        stream.task = None
        asked.begun, asked.name = exchange.begun_at or monotonic(), stream.request_id
        self._log(asked, exchange.status or NOTHING_SENT, exchange.size, complete=not unfinished)

    def _refuse(
        self, stream: StreamConnection, asked: LoggedRequest, refusal: ProtocolError
    ) -> None:
        """Say why. The connection goes on: its framing is in no doubt."""
        response = refused(refusal, asked.head)
        assert isinstance(response.body, bytes)
        fields = [(name.lower(), value) for name, value in response.fields]
        length = (b"content-length", b"%d" % response.length)
        asked.begun = monotonic()
        try:
            self.streams.frames.respond_whole(
                stream.number,
                [(b":status", b"%d" % refusal.status), length, *fields],
                response.body,
            )
        except OVER:
            return
        self.streams.frames.reset_when_left(stream.number)
        self._log(asked, refusal.status, response.length, complete=True)

    def _asked(
        self, stream: StreamConnection, request: Request | None, head: bytes, now: float
    ) -> LoggedRequest:
        """A connection waits for its next request while it has no stream; one that comes beside
        others has not been waited for."""
        since = now if self.streams.streams else self._quiet_since
        return LoggedRequest(request, head, now, now, since, stream.request_id)

    def _log(self, asked: LoggedRequest, status: int, size: int, *, complete: bool) -> None:
        if self._access_log is not None:
            self._quiet_since = self._access_log.record(asked, status, size, complete=complete)


def asking_or_none(request: Request) -> Request | None:
    return request if hasattr(request, "method") else None


SERVED = tuple(
    method.__code__
    for method in (Dispatcher._begin, Dispatcher._serve)  # noqa: SLF001
)
"""Where one request is answered: the code has its stream as `stream`."""
