"""The coroutine of a connection that speaks HTTP/2: its life, from the preface to the farewell.

What it does with a request is in `dispatcher`, who waits for what in `flow.multiplexer`.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from ..errors import DeadlineExceeded
from ..http1.answer import Responder
from ..http1.closing import close_at_once, closed, linger
from ..http1.exchange import OVER
from ..http1.limits import Limits
from ..http1.logged import AccessLogger
from ..http1.response import DateField
from ..http1.stream import HttpConnection
from ..iomodels.interface import Connection
from ..iomodels.lifetime import LAST_CALL_S, NEVER
from ..isolation.reporting import logger, report
from .dispatcher import Dispatcher
from .framing import ClientError
from .offered import Http2Settings
from .request import Requests
from .stream import StreamConnection

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
        self.requests = Requests(limits)
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
        self._streams = Dispatcher(shared, conn).streams
        self._last_call_ends = NEVER
        """When a client that asks for nothing, and does not answer, has had its time."""

    async def run(self) -> None:
        """Until client or server ends it, and all of its streams have ended. Raises `PeerGone`,
        `DeadlineExceeded`."""
        streams, limits, conn = self._streams, self._shared.limits, self._conn
        conn.expect_progress(limits.send_s)
        conn.give_last_call(0.0)
        wait_s = limits.first_byte_s
        while not self._is_over:
            if conn.closing:
                self._announce()
            if streams.asked:
                streams.begin_asked()
                wait_s = limits.keep_alive_s
            await streams.next_requests(min(monotonic() + wait_s, self._last_call_ends))
        if streams.failure is not None:
            raise streams.failure

    @property
    def _is_over(self) -> bool:
        streams = self._streams
        return streams.nothing_comes and not streams.streams and not streams.asked

    def _announce(self) -> None:
        """What is on its way comes before the client answers (`agreed_end`); one that
        does not has as long as one of HTTP/1.1, and no longer if it says something else."""
        streams, now = self._streams, monotonic()
        if not streams.frames.end.announced:
            streams.frames.end.announce()
            self._conn.give_last_call(LAST_CALL_S)
            streams.wake_all()
            self._last_call_ends = now + LAST_CALL_S
        elif self._last_call_ends <= now:
            streams.frames.end.know()

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
        streams.outgoing.end()

    async def _say_farewell(self, failure: BaseException | None) -> None:
        """GOAWAY with the last stream that is served, and why."""
        streams, conn = self._streams, self._conn
        if isinstance(streams.outgoing.failure, DeadlineExceeded):
            conn.reset_on_close()  # it takes nothing of our answers
        elif failure is None or isinstance(failure, ClientError | DeadlineExceeded):
            streams.frames.end.agree()
            await streams.outgoing.now()
            streams.outgoing.end()
            await linger(conn, self._shared.limits.linger_s)

    def served(self) -> list[tuple[StreamConnection, Any]]:
        """Streams with the coroutines that serve them; from any thread or signal handler."""
        streams = list(self._streams.streams.values())
        return [(one, task) for one in streams if (task := one.task) is not None]

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn; from any thread or signal handler."""
        return len(self._streams.asked)

    def close_streams(self) -> None:
        for stream in list(self._streams.streams.values()):
            task, stream.task = stream.task, None
            if task is not None:
                task.close()
        self._streams.streams.clear()
