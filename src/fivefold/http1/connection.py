"""The connection coroutine: requests in, responses out, for every pair alike.

It awaits the connection it is given and knows nothing of sockets, threads or loops.
Two things make it cheap: a head that was seen before, byte for byte, is not parsed
again, and content may have the whole response ready as bytes, which then leaves in one
call.  Everything else takes the slow path (`slow_path`), which is the complete one.  The loop
that all requests pass is written out in one piece: each function that it called would cost as
much as the look-up of a known head.
"""

from __future__ import annotations

from time import monotonic

from ..errors import DeadlineExceeded
from ..isolation.reporting import is_a
from .answer import Answer, Responder, Whole
from .closing import closed
from .head.reader import SHORT_HEAD_BYTES, HeadReader, Memory
from .limits import Limits
from .logged import AccessLogger, ConnectionLog, LoggedRequest, sent
from .request import Request
from .response import DateField, joined
from .slow_path import SlowPath, unforeseen
from .stream import HttpConnection

TURN_S = 0.001
"""So long a client whose requests are all here already is answered before the others have their
turn: a hundred small answers, one request at the least. What a client does not send at once
(`HttpConnection.recv`) or does not take (`HttpConnection.send`) is the I/O model's to share out."""


class Http1:
    """What the connections of one worker share. `serve` is the connection coroutine."""

    multiplexes = False

    def __init__(
        self, content: Responder, limits: Limits, access_logger: AccessLogger | None = None
    ) -> None:
        self._content = content
        self._limits = limits
        self.access_logger = access_logger
        self._memory = Memory(limits)
        self._known_head = self._memory.heads.get
        self._date = DateField()
        self._slow_path = SlowPath(content, limits, self._date)
        self.connections: set[HttpConnection] = set()
        """Those that are served now, for a tracer that comes in the middle."""

    async def serve(self, conn: HttpConnection) -> None:  # noqa: C901, PLR0912, PLR0915
        """All exchanges of one connection, then close it.

        Raises nothing but GeneratorExit, by which an I/O model that closes ends the coroutines
        in it; every other exception, of whatever class, comes from content or from an
        application, and is logged.
        """
        self.connections.add(conn)
        content = self._content  # its methods are looked up each time: tracing replaces them
        limits, date, known_head = self._limits, self._date, self._known_head
        known, reader = self._memory, None
        log: ConnectionLog | None = None
        request: Request | None = None
        answer: Answer | Whole | None
        head = refusal = b""
        data: bytes | None = b""
        wait_s = limits.first_byte_s
        now = turn_ends = monotonic()
        try:
            try:
                if self.access_logger is not None:
                    log = self.access_logger.log_of(conn)
                conn.expect_progress(limits.send_s)
                while data is not None:
                    if not data:
                        # Nothing of the last exchange is kept while the next one is waited for.
                        request = answer = None
                        head = out = b""
                        turn_ends = begun = now
                        # A silent client is owed nothing: the server may stop, or serve another.
                        conn.begin_waiting(now + wait_s)
                        try:
                            data = await conn.recv()
                        except DeadlineExceeded:
                            data = None
                        if not data:
                            if data is None:
                                # It may have sent its request just then (RFC 9112, section 9.5).
                                data = await conn.last_words()
                            if not data:
                                conn.heard()
                                break
                        conn.heard()
                        wait_s = limits.keep_alive_s
                        turn_ends = (now := monotonic()) + TURN_S
                    elif now > turn_ends:
                        await conn.yield_turn()  # pipelined: no receive would yield
                        turn_ends = (now := monotonic()) + TURN_S
                    # A receive is nearly always one request, whole: it is looked at as such first.
                    head, data = data, b""
                    request = (len(head) <= SHORT_HEAD_BYTES and known_head(head)) or known.one(
                        head
                    )
                    if request is None:
                        reader = HeadReader(conn, known)
                        request, head, data = await reader.next(head, now)
                        reader = None
                        now = monotonic()  # the rest of the head may have been waited for
                    # A server that stops lets content build the whole exchange, which says `close`.
                    try:
                        answer = (
                            None
                            if conn.closing
                            else content.answer_at_once(request, head, conn, now)
                        )
                    except BaseException as error:  # noqa: BLE001 - the edge of content
                        raise unforeseen(request, error) from None
                    if type(answer) is not Whole or not request.keep_alive:
                        data = await self._slow_path.exchange(
                            conn, request, head, data, answer, log, now
                        )
                        now = monotonic()
                        continue
                    begun = monotonic()  # content may have taken its time
                    out = answer.as_http1 or joined(answer.head, answer.given, date.at(begun))
                    # What `send_soon` takes has `progress_s` if it meets a full buffer.
                    if conn.send_soon(out):
                        now = (
                            begun if log is None else log.log_whole(request, head, out, now, begun)
                        )
                        continue
                    conn.wait_until(begun + limits.send_s)
                    if log is None:
                        await conn.send(out)
                        now = monotonic()
                    else:
                        now = await sent(log, conn, out, LoggedRequest(request, head, now, begun))
            except BaseException as error:
                if reader is not None:
                    head = bytes(reader.partial) or head
                asked = LoggedRequest(request, head, now, monotonic())
                refusal = self._slow_path.ended(error, conn, asked, log)
                if is_a(error, GeneratorExit):
                    raise
            # Not in the handler: the error and its frames would live as long as this takes.
            if refusal:
                await self._slow_path.refuse(refusal, conn, asked, log)
        finally:
            self.connections.discard(conn)
        await closed(conn)
