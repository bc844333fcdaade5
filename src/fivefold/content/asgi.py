"""ASGI 3.0 applications: http, websocket, lifespan.

An application needs a running asyncio loop, and every I/O model hosts one: the loop's
selector is the model, and our connections go on inside its wait (iomodels.asyncio_host).
The application is called there, at once, in a context of its own and in a task that is
lent to it (asgi_carrier); so nothing is queued between the request's arrival and the
application's first line.

A loop has a lifespan of its own, because what an application opens at its start belongs
to the loop that it was opened in: one per worker under async, one per thread or process
under the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from ..errors import ClientLeft, ProtocolError
from ..http1.connection import Ready
from ..http1.exchange import Connection, Exchange
from ..http1.limits import Limits
from ..http1.request import Request
from ..http1.response import plain
from ..iomodels.base import IOModel
from ..reporting import logger
from .asgi_handshake import is_websocket
from .asgi_host import AsgiHost
from .asgi_http import HttpCycle
from .asgi_lifespan import Application
from .asgi_scope import Scope, Scopes
from .asgi_websocket import WebSocket
from .client_certificate import extension

log = logger("fivefold.asgi")


class Asgi:
    """Content that is an ASGI application; shared by all connections of a worker."""

    def __init__(self, application: Application, scopes: Scopes, limits: Limits) -> None:
        self._application = application
        self._scopes = scopes
        self._limits = limits

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel:
        """An event loop on the engine, in which the application has started.

        Raises `ApplicationError`.
        """
        host = AsgiHost(engine.hosting()(tick_s=tick_s, connections=connections))
        try:
            host.start(self._application)
        except BaseException:
            host.close()
            raise
        return host

    def close(self) -> None:
        """Each loop ended its own lifespan."""

    def ready(self, request: Request, head: bytes, conn: Connection, now: float) -> Ready | None:
        return None

    def respond(self, exchange: Exchange) -> Coroutine[Any, Any, None]:
        conn = exchange.conn
        host = conn.io
        if conn.remembered is None:
            told = {} if conn.tls is None else {"tls": extension(conn.tls)}
            conn.remembered = conn.peer, conn.local, host.state, told
        if b"connection" in exchange.request.obeyed and is_websocket(exchange):
            return self._websocket(exchange, host)
        return self._http(exchange, host)

    async def _http(self, exchange: Exchange, host: AsgiHost) -> None:
        scope = self._scopes.http(exchange)
        cycle = HttpCycle(exchange, host.loop)
        gone = False
        try:
            rest = host.carriers.begin(self._application(scope, cycle.receive, cycle.send))
            if rest is not None:
                await rest
        except ClientLeft:
            exchange.keep = False
        except (Exception, SystemExit):
            # The edge of an application: its trouble must not become another's.
            if cycle.refusal is None and not cycle.gone:
                log.exception("the application failed at %s", scope["path"])
            exchange.keep = exchange.keep and exchange.finished
        except asyncio.CancelledError:
            exchange.keep = False
            if not exchange.conn.closing:  # else grace is over
                log.error("the application was cancelled at %s", scope["path"])
        finally:
            if cycle.waited:
                gone = cycle.gone
                cycle.over()
        if not exchange.finished:
            await self._give_up(exchange, cycle.refusal, gone=gone)

    async def _give_up(
        self, exchange: Exchange, refusal: ProtocolError | None, *, gone: bool
    ) -> None:
        """The application ended without a whole response."""
        exchange.keep = False
        if refusal is not None:
            raise refusal
        if not exchange.started and not gone:
            await exchange.answer(plain(500))

    async def _websocket(self, exchange: Exchange, host: AsgiHost) -> None:
        exchange.keep = False
        socket = WebSocket(exchange, self._limits)
        rest = host.carriers.begin(self._call(self._scopes.websocket(exchange), socket))
        if rest is not None:
            host.spawn(rest)
        try:
            await socket.read()
        finally:
            await socket.end()

    async def _call(self, scope: Scope, socket: WebSocket) -> None:
        try:
            failed = await self._ended_badly(scope, socket)
            await socket.finish(failed=failed)
        except ClientLeft:
            pass  # nobody to say goodbye to
        finally:
            socket.ended()

    async def _ended_badly(self, scope: Scope, socket: WebSocket) -> bool:
        try:
            await self._application(scope, socket.receive, socket.send)
        except ClientLeft:
            pass  # it was told, and did not mind
        except (Exception, SystemExit):
            # The edge of an application.
            log.exception("the application failed at %s", scope["path"])
            return True
        except asyncio.CancelledError:
            # Whoever cancelled it: the reading side waits to be told.
            log.error("the application was cancelled at %s", scope["path"])
            return True
        return False
