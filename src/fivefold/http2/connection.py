"""The coroutine of a connection that speaks HTTP/2: requests in, responses out, in every pair.

A request that content has the whole answer to is answered in the loop, and all such answers of one
receive leave together.  Each other one is served by a coroutine of its own: side by side where the
I/O model overlaps, in turn where it does not (blocking).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from ..errors import DeadlineExceeded, PeerGone, ProtocolError
from ..http1.answer import Responder, Whole
from ..http1.closing import close_at_once, closed, linger
from ..http1.exchange import OVER, Exchange
from ..http1.explaining.explained import refused
from ..http1.limits import Limits
from ..http1.logged import NOTHING_SENT, AccessLogger, LoggedRequest
from ..http1.request import Request
from ..http1.response import DateField
from ..http1.slow_path import unforeseen
from ..http1.stream import HttpConnection
from ..iomodels.interface import Connection
from ..isolation.reporting import logger, report
from .body import StreamBody
from .exchange import StreamExchange
from .framing import CANCEL, INTERNAL, NO_ERROR, ClientError
from .multiplexer import Multiplexer
from .offered import Http2Settings
from .request import Asking, Requests
from .response_fields import response_fields
from .stream import StreamConnection
from .tunnel import Tunnel

log = logger("fivefold.http")

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""With which a client begins (RFC 9113, section 3.4)."""


class Http2:
    """What the connections of one worker share. `serve` is the connection coroutine."""

    def __init__(
        self,
        content: Responder,
        limits: Limits,
        settings: Http2Settings,
        access_logger: AccessLogger | None = None,
    ) -> None:
        self.content = content
        self.limits = limits
        self.settings = settings
        self.access_logger = access_logger
        self.date = DateField()
        self.requests = Requests(limits.body_bytes)
        self.connections: set[HttpConnection] = set()
        """As those of `Http1`."""

    multiplexes = True

    async def serve(self, conn: Connection) -> None:
        """All exchanges of one connection, then close it.

        Raises nothing but GeneratorExit, as `Http1.serve`.
        """
        self.connections.add(conn)
        try:
            await self._serve(conn)
        finally:
            self.connections.discard(conn)
        await closed(conn)

    async def _serve(self, conn: Connection) -> None:
        serving = Http2Connection(self, conn)
        failure: BaseException | None = None
        try:
            await serving.run()
        except GeneratorExit:
            serving.close_streams()
            close_at_once(conn)
            raise
        except BaseException as error:  # noqa: BLE001 - `_end` sorts them
            failure = error
        await serving.end(failure)


class Http2Connection:
    """One connection while it is served."""

    def __init__(self, shared: Http2, conn: Connection) -> None:
        self._shared = shared
        self._conn = conn
        self._streams = Multiplexer(conn, shared.limits, shared.settings, self._begin)
        self._announced = False
        """Whether the client knows that the server stops."""
        logger = shared.access_logger
        self._access_log = None if logger is None else logger.log_of(conn)
        self._quiet_since = monotonic()
        """When the last exchange was over."""

    async def run(self) -> None:
        """Until client or server ends it, and all of its streams have ended. Raises `PeerGone`,
        `DeadlineExceeded`."""
        streams, limits, conn = self._streams, self._shared.limits, self._conn
        conn.expect_progress(limits.send_s)
        wait_s = limits.first_byte_s
        while not (streams.ended and not streams.streams and not streams.asked):
            if conn.closing:
                if self._announced and not streams.streams and not streams.asked:
                    return
                self._announce()
            if streams.asked:
                streams.begin_asked()
                wait_s = limits.keep_alive_s
            await streams.next_requests(monotonic() + wait_s)
        if streams.failure is not None:
            raise streams.failure

    def _announce(self) -> None:
        if not self._announced:
            self._announced = True
            self._streams.frames.announce_end()
            self._streams.wake_all()

    async def end(self, failure: BaseException | None) -> None:
        """Raises nothing but GeneratorExit."""
        conn, streams = self._conn, self._streams
        streams.end_all()
        self.close_streams()
        if failure is not None and not isinstance(failure, (*OVER, OSError)):
            report(log, "a connection failed", error=failure)
        try:
            await self._say_farewell(failure)
        except GeneratorExit:
            close_at_once(conn)
            raise
        except OVER:
            pass  # no client is there to hear it
        except BaseException as error:  # noqa: BLE001 - the edge of a connection
            report(log, "a connection failed", error=error)

    async def _say_farewell(self, failure: BaseException | None) -> None:
        """GOAWAY with the last stream that is served, and why."""
        streams, conn = self._streams, self._conn
        if isinstance(streams.outgoing.failure, DeadlineExceeded):
            conn.reset_on_close()  # it takes nothing of our answers
        elif failure is None or isinstance(failure, ClientError | DeadlineExceeded):
            streams.frames.end()
            await streams.outgoing.now()
            await linger(conn, self._shared.limits.linger_s)

    def served(self) -> list[tuple[StreamConnection, Any]]:
        """Streams with the coroutines that serve them; from any thread or signal handler."""
        streams = list(self._streams.streams.values())
        return [(one, task) for one in streams if (task := one.task) is not None]

    def close_streams(self) -> None:
        for stream in list(self._streams.streams.values()):
            task, stream.task = stream.task, None
            if task is not None:
                task.close()
        self._streams.streams.clear()

    # One request

    def _begin(self, event: Any) -> None:
        """Answer it, if that needs no waiting, or begin to."""
        shared, streams, number = self._shared, self._streams, event.stream_id
        now = monotonic()
        stream: StreamConnection = StreamConnection(streams, number)
        request, head = Request(), b""
        try:
            asking = shared.requests.of(event.headers, event.end_stream)
            request, head = asking.request, asking.head
            body = StreamBody(stream, request, shared.limits) if request.has_body else None
            answer = (
                None
                if asking.opens_socket
                else shared.content.answer_at_once(request, head, stream, now)
            )
        except BaseException as error:  # noqa: BLE001 - the edge of content
            refusal = unforeseen(request, error)
            self._refuse(stream, self._asked(stream, asking_or_none(request), head, now), refusal)
            return
        if type(answer) is Whole and self._send_whole(stream, asking, answer, now):
            return
        if asking.opens_socket:
            stream = Tunnel(streams, number)
        else:
            stream.body = body
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
        body = answer.body
        size = len(body)
        if not stream.has_room(size):
            return False
        begun = monotonic()  # content may have taken its time
        fields = response_fields(stream, head, size, self._shared.date, begun)
        try:
            self._streams.frames.respond_whole(stream.number, fields, body)
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
        self._streams.outgoing.soon()

    def _end_stream(
        self, stream: StreamConnection, exchange: StreamExchange, asked: LoggedRequest, code: int
    ) -> None:
        unfinished = not (exchange.finished or stream.has_ended)
        body = stream.body
        frames = self._streams.frames
        if unfinished:
            frames.reset(stream.number, code or INTERNAL)
        elif body is not None and not body.finished:
            frames.reset_when_left(stream.number)
        if body is not None:
            frames.read(stream.number, body.ahead)
        self._streams.remove(stream)
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
            self._streams.frames.respond_whole(
                stream.number,
                [(b":status", b"%d" % refusal.status), length, *fields],
                response.body,
            )
        except OVER:
            return
        self._streams.frames.reset_when_left(stream.number)
        self._log(asked, refusal.status, response.length, complete=True)

    def _asked(
        self, stream: StreamConnection, request: Request | None, head: bytes, now: float
    ) -> LoggedRequest:
        """A connection waits for its next request while it has no stream; one that comes beside
        others has not been waited for."""
        since = now if self._streams.streams else self._quiet_since
        return LoggedRequest(request, head, now, now, since, stream.request_id)

    def _log(self, asked: LoggedRequest, status: int, size: int, *, complete: bool) -> None:
        if self._access_log is not None:
            self._quiet_since = self._access_log.record(asked, status, size, complete=complete)


def asking_or_none(request: Request) -> Request | None:
    return request if hasattr(request, "method") else None


SERVED = tuple(
    method.__code__
    for method in (Http2Connection._begin, Http2Connection._serve)  # noqa: SLF001
)
"""Where one request is answered: the code has its stream as `stream`."""
