"""The connection coroutine: requests in, responses out, for every pair alike.

It awaits the connection it is given and knows nothing of sockets, threads or loops.
Two things make it cheap: a head that was seen before, byte for byte, is not parsed
again, and content may have the whole response ready as bytes, which then leaves in one
call.  Everything else takes the long way, which is the complete one.  The loop that all
requests pass is written out in one piece: each function that it called would cost as much
as the look-up of a known head.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol

from ..errors import DeadlineExceeded, FileChanged, LimitReached, PeerGone, ProtocolError
from ..isolation.reporting import logger, report
from .answer import Answer, Whole
from .body import Body
from .escaping import as_text
from .exchange import OVER, Exchange
from .head.reader import SHORT_HEAD_BYTES, HeadReader, Memory
from .limits import Limits
from .logged import NOTHING_SENT, AccessLogger, ConnectionLog, LoggedExchange, LoggedRequest, sent
from .request import Request
from .response import CLOSE, DateField, joined, plain, serialized
from .stream import HttpConnection

log = logger("fivefold.http")

TURN_S = 0.001
"""So long a client whose requests are all here already is answered before the others have their
turn: a hundred small answers, one request at the least. What a client does not send at once
(`HttpConnection.recv`) or does not take (`HttpConnection.send`) is the I/O model's to share out."""

UNWANTED_BYTES = 1_048_576
"""What is read, at most, of a body that content did not want, so that the connection can be
kept: beyond, a new one is cheaper."""


class Responder(Protocol):
    """What HTTP asks of content (`content.base.Content`), which it does not know."""

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        """The response, if it can be begun at once; None: ask `respond`. Called for each
        request, before anything of its body is read."""

    async def respond(self, exchange: Exchange) -> None:
        """Answer through the exchange. Raises `ProtocolError` for a refusal."""


class Http1:
    """What the connections of one worker share. `serve` is the connection coroutine."""

    def __init__(
        self, content: Responder, limits: Limits, access_logger: AccessLogger | None = None
    ) -> None:
        self._content = content
        self._limits = limits
        self._access_logger = access_logger
        self._memory = Memory()
        self._date = DateField()
        self.connections: set[HttpConnection] = set()
        """Those that are served now, for a tracer that comes in the middle."""

    async def serve(self, conn: HttpConnection) -> None:
        """All exchanges of one connection, then close it.

        Raises nothing but GeneratorExit, by which an I/O model that closes ends the coroutines
        in it; every other exception, of whatever class, comes from content or from an
        application, and is logged.
        """
        self.connections.add(conn)
        try:
            await self._exchanges(conn)
        except PeerGone:
            pass  # the client has left, and cannot be told
        except DeadlineExceeded:
            if not conn.idle:
                conn.reset_on_close()  # it takes nothing more of our answer
        except FileChanged as error:
            log.warning("a file changed while it was sent: %s", error)
        except GeneratorExit:
            close_at_once(conn)
            raise
        except BaseException as error:  # noqa: BLE001
            # The edge of a connection: one client's trouble must not become another's.
            report(log, "a connection failed", error=error)
        finally:
            self.connections.discard(conn)
        await closed(conn)

    async def _exchanges(self, conn: HttpConnection) -> None:  # noqa: C901, PLR0912, PLR0915
        limits = self._limits
        known_head = self._memory.heads.get
        content = self._content  # its methods are looked up each time: tracing replaces them
        date = self._date
        reader = HeadReader(conn, limits, self._memory)
        request: Request | None = None
        head = b""
        send_s, keep_alive_s = limits.send_s, limits.keep_alive_s
        conn.expect_progress(send_s)
        patience = limits.first_byte_s
        now = turn_ends = monotonic()
        access_log = None if self._access_logger is None else self._access_logger.log_of(conn)
        data: bytes | None = b""
        try:
            while data is not None:
                if not data:
                    # `next_bytes`, written out: all small requests pass this.  A silent client
                    # is owed nothing here: the server may stop, or give its place to another.
                    conn.begin_waiting(now + patience)
                    try:
                        data = await conn.recv()
                    except DeadlineExceeded:
                        # It may have sent its request just as its time was over (RFC 9112, 9.5).
                        data = await conn.last_words()
                    conn.heard()
                    if not data:
                        return
                    patience = keep_alive_s
                    now = monotonic()
                    turn_ends = now + TURN_S
                elif now > turn_ends:
                    # Pipelined (RFC 9112, section 9.3.2): no receive would yield.
                    await conn.yield_turn()
                    now = monotonic()
                    turn_ends = now + TURN_S
                # A receive is nearly always one request, whole: it is looked at as such first.
                head = data
                if len(data) > SHORT_HEAD_BYTES:
                    request = reader.parse_one(data)
                else:
                    request = known_head(data) or reader.short(data)
                if request is not None:
                    data = b""
                else:
                    request, head, data = await reader.next(data, now)
                    now = monotonic()  # the rest of the head may have been waited for
                # A server that stops lets content build the whole exchange, which says `close`.
                try:
                    answer = (
                        None if conn.closing else content.answer_at_once(request, head, conn, now)
                    )
                except BaseException as error:  # noqa: BLE001 - the edge of content
                    raise unforeseen(request, error) from None
                if type(answer) is Whole and request.keep_alive:
                    begun = monotonic()  # content may have taken its time
                    out = answer.as_http1 or joined(answer.head, answer.given, date.at(begun))
                    # What `send_soon` takes has `progress_s` if it meets a full buffer.
                    if access_log is None:
                        now = begun
                        if not conn.send_soon(out):
                            conn.wait_until(begun + send_s)
                            await conn.send(out)
                            now = monotonic()
                    elif conn.send_soon(out):
                        now = access_log.log_whole(request, head, out, now, begun)
                    else:
                        conn.wait_until(begun + send_s)
                        now = await sent(
                            access_log, conn, out, LoggedRequest(request, head, now, begun)
                        )
                else:
                    record = None if access_log is None else (access_log, now)
                    data = await self._exchange(conn, request, head, data, answer, record=record)
                    now = monotonic()
        except ProtocolError as refusal:
            asked = LoggedRequest(request, bytes(reader.partial) or head, now, monotonic())
            await self._refuse(conn, refusal, asked, access_log)
        except BaseException:
            if access_log is not None and reader.partial:
                access_log.record(
                    LoggedRequest(None, bytes(reader.partial), now, now), NOTHING_SENT, 0
                )
            raise

    async def _exchange(
        self,
        conn: HttpConnection,
        request: Request,
        head: bytes,
        data: bytes,
        begun: Answer | None,
        *,
        record: tuple[ConnectionLog, float] | None,
    ) -> bytes | None:
        """Answer one request; what was received beyond it, or None if the connection ends."""
        # Framed already, and not counted: an exchange would add nothing.
        if record is None and begun is not None and begun.complete:
            now = monotonic()
            conn.wait_until(now + self._limits.send_s)
            await begun.send(conn, self._date.at(now), keep=request.keep_alive)
            return data if request.keep_alive else None
        body = Body(conn, request, data, self._limits) if request.has_body else None
        kind = Exchange if record is None else LoggedExchange
        exchange = kind(conn, request, head, body, self._limits, self._date)
        if data and body is None:
            exchange.beyond = data
        respond = self._content.respond if begun is None else begun.through
        await self._answer(exchange, respond, record)
        keep = exchange.finished and exchange.keep
        if body is not None:
            # The rest of a body would be taken for the next request (RFC 9112, section 9.3).
            keep = keep and await skipped(body)
            # What content read while it watched the client came after what came with the body.
            exchange.beyond = body.rest + exchange.beyond
            if exchange.finished and not body.finished:
                await self._linger(conn)
        if not keep:
            # It may not have known of the end, and have sent the next request already.
            unaware = conn.closing and request.keep_alive and exchange.finished
            if unaware or (exchange.beyond and exchange.started):
                await self._linger(conn)
            return None
        return exchange.beyond

    async def _answer(
        self,
        exchange: Exchange,
        respond: Callable[[Exchange], Awaitable[None]],
        record: tuple[ConnectionLog, float] | None,
    ) -> None:
        """Let content answer. Raises `ProtocolError` for what is still to be refused."""
        try:
            if isinstance(exchange, LoggedExchange) and record is not None:
                await exchange.logged(*record, respond)
            else:
                await respond(exchange)
        except OVER:
            raise
        except BaseException as error:  # noqa: BLE001 - the edge of content
            refusal = unforeseen(exchange.request, error)
            if not exchange.started:
                raise refusal from None
        if exchange.until_close and not exchange.finished:
            exchange.conn.reset_on_close()  # else what has come would look like all of it

    async def _refuse(
        self,
        conn: HttpConnection,
        refusal: ProtocolError,
        asked: LoggedRequest,
        access_log: ConnectionLog | None,
    ) -> None:
        """Say why, then close so that the client can still read it (RFC 9112, section 9.6)."""
        now = monotonic()
        conn.wait_until(now + self._limits.send_s)
        response = plain(refusal.status, refusal.detail, list(refusal.fields))
        # The head may not have been parsed; HEAD has no body even then (RFC 9110, section 9.3.2).
        bodiless = asked.head.lstrip(b"\r\n").startswith(b"HEAD ")
        fields = [*response.fields, (b"Content-Length", b"%d" % response.length)]
        lines = serialized(response.status, fields, self._date.at(now), persistence=CLOSE)
        assert isinstance(response.body, bytes)
        answer = lines if bodiless else lines + response.body
        if access_log is None:
            await conn.send(answer)
        else:
            await sent(access_log, conn, answer, asked)
        await self._linger(conn)

    async def _linger(self, conn: HttpConnection) -> None:
        """Before a close: what the client still sends would turn it into a reset, which may
        destroy the answer on its way (RFC 9112, section 9.6)."""
        conn.shutdown_send()
        # It owes us nothing: no reset when its time is over.
        conn.begin_waiting(monotonic() + self._limits.linger_s)
        while await conn.recv():
            pass


def unforeseen(request: Request, error: BaseException) -> ProtocolError:
    """What a client is answered when content raises what it should not: an error of the disk,
    of a handler of the log, or ours; a refusal stays what it is."""
    if isinstance(error, ProtocolError):
        return error
    if isinstance(error, LimitReached):
        report(log, "%s is refused: %s", as_text(request.target), error)
        return ProtocolError(503, "The server has reached a limit.")
    report(log, "%s could not be answered", as_text(request.target), error=error)
    return ProtocolError(500, "")


async def closed(conn: HttpConnection) -> None:
    try:
        await conn.close()
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001 - its descriptor may be lost, nothing else
        report(log, "a connection could not be closed", error=error)


def close_at_once(conn: HttpConnection) -> None:
    """Close inside a model that closes: no event would end a wait there."""
    closing = closed(conn)
    try:
        closing.send(None)
    except StopIteration:
        return
    closing.close()


async def skipped(body: Body) -> bool:
    """Whether the rest of a body could be read away, so that the next request can follow."""
    try:
        return await body.skip(UNWANTED_BYTES)
    except ProtocolError:
        return False  # the answer is out: there is no second one
