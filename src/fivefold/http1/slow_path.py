"""The slow path, which is the complete one: exchanges that the loop of a connection does not
answer itself, with a body, in parts, or refused, and whether another request may follow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic

from ..errors import LimitReached, ProtocolError
from ..isolation.reporting import is_a, logger, report
from .answer import Answer, Responder
from .body import Body
from .closing import given_up, linger
from .escaping import as_text
from .exchange import OVER, Exchange
from .explaining.explained import refused
from .limits import Limits
from .logged import NOTHING_SENT, ConnectionLog, LoggedExchange, LoggedRequest, sent
from .request import Request
from .response import CLOSE, DateField, leaving, serialized
from .stream import HttpConnection

log = logger("fivefold.http")

UNWANTED_BYTES = 1_048_576
"""What is read, at most, of a body that content did not want, so that the connection can be
kept: beyond, a new one is cheaper."""


class SlowPath:
    """What all connections of a worker share of it; the log is that of the connection."""

    def __init__(self, content: Responder, limits: Limits, date: DateField) -> None:
        self._content = content
        self._limits = limits
        self._date = date

    async def exchange(  # noqa: PLR0917 - called for each request, and keywords cost
        self,
        conn: HttpConnection,
        request: Request,
        head: bytes,
        data: bytes,
        begun: Answer | None,
        access_log: ConnectionLog | None,
        read_at: float,
    ) -> bytes | None:
        """Answer one request, whose head was complete at `read_at`; what was received beyond it,
        or None if the connection ends."""
        # Framed already, and not counted: an exchange would add nothing.
        if access_log is None and begun is not None and begun.complete:
            now = monotonic()
            conn.wait_until(now + self._limits.send_s)
            await begun.send(conn, self._date.at(now), keep=request.keep_alive)
            return data if request.keep_alive else None
        body = Body(conn, request, data, self._limits) if request.has_body else None
        made = Exchange if access_log is None else LoggedExchange
        exchange = made(conn, request, head, body, self._limits, self._date)
        if data and body is None:
            exchange.beyond = data
        respond = self._content.respond if begun is None else begun.through
        await self._answer(exchange, respond, access_log, read_at)
        return await self._end(exchange)

    async def _answer(
        self,
        exchange: Exchange,
        respond: Callable[[Exchange], Awaitable[None]],
        access_log: ConnectionLog | None,
        read_at: float,
    ) -> None:
        """Let content answer. Raises `ProtocolError` for what is still to be refused."""
        try:
            if isinstance(exchange, LoggedExchange) and access_log is not None:
                await exchange.logged(access_log, read_at, respond)
            else:
                await respond(exchange)
        except OVER:
            raise
        except BaseException as error:  # noqa: BLE001 - the edge of content
            # No name for the refusal: this frame, which its traceback has, would keep it alive.
            if not exchange.started:
                raise unforeseen(exchange.request, error) from None
            unforeseen(exchange.request, error)
        if exchange.until_close and not exchange.finished:
            exchange.conn.reset_on_close()  # else what has come would look like all of it

    async def _end(self, exchange: Exchange) -> bytes | None:
        """What was received beyond the exchange, or None if the connection ends with it."""
        keep = exchange.finished and exchange.keep
        body = exchange.body
        if body is not None:
            # The rest of a body would be taken for the next request (RFC 9112, section 9.3).
            keep = keep and await skipped(body)
            # What content read while it watched the client came after what came with the body.
            exchange.beyond = body.rest + exchange.beyond
            if exchange.finished and not body.finished:
                await linger(exchange.conn, self._limits.linger_s)
        if keep:
            return exchange.beyond
        # It may not have known of the end, and have sent the next request already.
        unaware = exchange.conn.closing and exchange.request.keep_alive and exchange.finished
        if unaware or (exchange.beyond and exchange.started):
            await linger(exchange.conn, self._limits.linger_s)
        return None

    def ended(
        self,
        error: BaseException,
        conn: HttpConnection,
        asked: LoggedRequest,
        access_log: ConnectionLog | None,
    ) -> bytes:
        """What is still to be sent (`refuse`) on a connection at which this was raised, if
        anything is; the rest is done at once. Raises nothing."""
        try:
            if is_a(error, ProtocolError):
                return self._refusal(error, conn, asked)
            if access_log is not None and asked.request is None and asked.head.strip():
                asked.begun = asked.now  # it left in the middle of a head
                access_log.record(asked, NOTHING_SENT, 0)
        except BaseException as trouble:  # noqa: BLE001 - out of memory
            report(log, "the end of a connection could not be recorded", error=trouble)
        given_up(error, conn)
        return b""

    def _refusal(self, refusal: ProtocolError, conn: HttpConnection, asked: LoggedRequest) -> bytes:
        response = refused(refusal, asked.head)
        # The head may not have been parsed; HEAD has no body even then (RFC 9110, section 9.3.2).
        bodiless = asked.head.lstrip(b"\r\n").startswith(b"HEAD ")
        fields = [*response.fields, (b"Content-Length", b"%d" % response.length)]
        date = self._date.at(monotonic())
        lines = serialized(response.status, fields, date, persistence=CLOSE)
        if asked.request is not None:
            lines = leaving(conn, lines)
        assert isinstance(response.body, bytes)
        return lines if bodiless else lines + response.body

    async def refuse(
        self,
        refusal: bytes,
        conn: HttpConnection,
        asked: LoggedRequest,
        access_log: ConnectionLog | None,
    ) -> None:
        """Say why, then wait so that the client can still read it (RFC 9112, section 9.6). Raises
        nothing but GeneratorExit."""
        try:
            conn.allow(self._limits.send_s)
            if access_log is None:
                await conn.send(refusal)
            else:
                await sent(access_log, conn, refusal, asked)
            await linger(conn, self._limits.linger_s)
        except BaseException as error:
            given_up(error, conn)
            if is_a(error, GeneratorExit):
                raise


def unforeseen(request: Request, error: BaseException) -> ProtocolError:
    """What a client is answered when content raises what it should not: an error of the disk,
    of a handler of the log, or ours; a refusal stays what it is."""
    if is_a(error, ProtocolError):
        return error
    if is_a(error, LimitReached):
        report(log, "%s is refused: %s", as_text(request.target), error)
        return ProtocolError(503, "The server has reached a limit.")
    report(log, "%s could not be answered", as_text(request.target), error=error)
    return ProtocolError(500, "")


async def skipped(body: Body) -> bool:
    """Whether the rest of a body could be read away, so that the next request can follow."""
    try:
        return await body.skip(UNWANTED_BYTES)
    except ProtocolError:
        return False  # the answer is out: there is no second one
