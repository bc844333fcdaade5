"""The connection coroutine: requests in, responses out, for every pair alike.

It awaits the connection it is given and knows nothing of sockets, threads or loops.
Two things make it cheap: a head that was seen before, byte for byte, is not parsed
again, and content may have the whole response ready as bytes, which then leaves in one
call.  Everything else takes the long way, which is the complete one.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import Protocol

from ..errors import DeadlineExceeded, FileShrank, PeerGone, ProtocolError
from .body import Body
from .exchange import CLOSE, Connection, Exchange, send_part
from .head_reader import SHORT_HEAD_BYTES, HeadReader, Memory
from .limits import Limits
from .request import Request
from .response import DateField, FilePart, plain, serialized

log = logging.getLogger("fivefold.http")

LAST_CALL_S = 1.0
"""How long a stopping server waits for the first request of a connection that it has accepted."""

LINGER_BYTES = 1_048_576
"""What is read, at most, after a refusal (see `Limits.linger_s`), or of a body that content
did not want: beyond, a new connection is cheaper."""

Ready = bytes | tuple[bytes, FilePart]
"""A response for a connection that is kept: head and body at once, or a head and its file."""


class Content(Protocol):
    """What answers requests: a folder, an application."""

    def ready(self, request: Request, now: float) -> Ready | None:
        """The whole response, if it is there; called for each request, so it must be cheap."""

    async def respond(self, exchange: Exchange) -> None:
        """Answer through the exchange. Raises `ProtocolError` for a refusal."""


class Http1:
    """What the connections of one worker share. `serve` is the connection coroutine."""

    def __init__(self, content: Content, limits: Limits) -> None:
        self._content = content
        self._limits = limits
        self._memory = Memory()
        self._date = DateField()

    async def serve(self, conn: Connection) -> None:
        """All exchanges of one connection, then close it. Never raises."""
        try:
            await self._exchanges(conn)
        except PeerGone:
            pass  # nobody is left who could be told
        except DeadlineExceeded:
            if not conn.idle:
                conn.reset_on_close()  # it takes nothing more of our answer
        except FileShrank as error:
            log.warning("a file changed while it was sent: %s", error)
        except Exception:
            # The edge of a connection: one client's trouble must not become another's.
            log.exception("a connection failed")
        finally:
            await conn.close()

    async def _exchanges(self, conn: Connection) -> None:
        limits = self._limits
        known_heads = self._memory.heads
        ready = self._content.ready
        reader = HeadReader(conn, limits, self._memory)
        request = None
        conn.progress_s = send_s = limits.send_s
        patience = limits.first_byte_s
        now = monotonic()
        data: bytes | None = b""
        try:
            while data is not None:
                if not data:
                    conn.deadline = now + patience
                    conn.idle = True
                    if conn.closing:
                        self._last_call(conn, now)
                    data = await conn.recv()
                    conn.idle = conn.new = False
                    if not data:
                        return
                    patience = limits.keep_alive_s
                    now = monotonic()
                if len(data) > SHORT_HEAD_BYTES:
                    request = reader.whole(data)
                else:
                    request = known_heads.get(data) or reader.short(data)
                if request is not None:
                    head, data = data, b""
                else:
                    request, head, data = await reader.next(data, now)
                whole = None if conn.closing else ready(request, now)
                if whole is None:
                    data = await self._exchange(conn, request, head, data)
                    now = monotonic()
                    continue
                conn.deadline = now + send_s
                if type(whole) is bytes:
                    await conn.send(whole)
                else:
                    await send_part(conn, *whole)
                    now = monotonic()  # a large file takes its time
        except ProtocolError as refusal:
            is_head = request is not None and request.method == "HEAD"
            await self._refuse(conn, refusal, bodiless=is_head)

    def _last_call(self, conn: Connection, now: float) -> None:
        """The server stops: what has arrived is served, and a first request awaited briefly."""
        if conn.new:
            conn.deadline = now + LAST_CALL_S
        else:
            conn.interrupt()

    async def _exchange(
        self, conn: Connection, request: Request, head: bytes, data: bytes
    ) -> bytes | None:
        """Answer one request; what was received beyond it, or None if the connection ends."""
        body = Body(conn, request, data, self._limits) if request.has_body else None
        exchange = Exchange(conn, request, head, body, self._limits, self._date)
        try:
            await self._content.respond(exchange)
        except ProtocolError:
            if exchange.started:
                return None  # too late to say it
            raise
        if not exchange.finished or conn.closing or not exchange.keep:
            return None
        if body is not None:
            if not await body.skip(LINGER_BYTES):
                return None
            data = body.rest
        # What content read while it watched the client came after what came with the request.
        return data + exchange.pushed_back if exchange.pushed_back else data

    async def _refuse(
        self, conn: Connection, refusal: ProtocolError, *, bodiless: bool = False
    ) -> None:
        """Say why, then close so that the client can still read it (RFC 9112, section 9.6)."""
        now = monotonic()
        conn.deadline = now + self._limits.send_s
        response = plain(refusal.status, refusal.detail)
        fields = [*response.fields, (b"Content-Length", b"%d" % response.length)]
        head = serialized(response.status, fields, self._date.at(now), persistence=CLOSE)
        assert isinstance(response.body, bytes)
        await conn.send(head if bodiless else head + response.body)
        conn.shutdown_send()
        conn.deadline = now + self._limits.linger_s
        remaining = LINGER_BYTES
        while remaining > 0:
            data = await conn.recv()
            if not data:
                return
            remaining -= len(data)
