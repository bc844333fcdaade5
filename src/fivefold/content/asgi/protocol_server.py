"""ASGI 3.0 applications: http, websocket, lifespan.

An application needs a running asyncio loop, and every I/O model hosts one: the loop's
selector is the model, and our connections go on inside its wait (`iomodels.asyncio_loop`).
The application is called there, at once, in a context of its own and in a task that is
lent to it (`tasks`); so nothing is queued between the request's arrival and the
application's first line.

A loop has a lifespan, because what an application opens at its start belongs to the loop that
it was opened in, and an application object has one loop: that of the process, if one thread
serves all its connections, or otherwise one in a thread of its own (asgi_loop_thread).
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from ...errors import ClientLeft
from ...http1.answer import ANSWERED
from ...http1.exchange import Exchange
from ...http1.exchange_state import ExchangeSpan
from ...http1.limits import Limits
from ...http1.stream import HttpConnection
from ...iomodels.asyncio_loop.engines import loop_engine
from ...iomodels.interface import IOModel
from ...isolation.descendants import descendants
from ...processes.grace import Grace
from ..base import Content
from .application_loop import ApplicationLoop
from .call_end import report_end
from .http.cycle import HttpCycle
from .lifespan import Application
from .loop_thread.near_end import HTTP_DISCONNECT, NearEnd, carried_apart
from .loop_thread.own_thread import LoopThread
from .scope import Ends, Scope, Scopes
from .websocket.application_side import WebSocket
from .websocket.handshake import is_websocket

CALLS = 64
"""Expected at once on the host of an application that has a thread of its own."""


class Asgi(Content):
    """Content that is an ASGI application; shared by all connections of a worker."""

    def __init__(
        self,
        application: Application,
        scopes: Scopes,
        limits: Limits,
        *,
        lifespan: str,
        lifespan_s: float,
        grace: Grace,
        apart: bool,
        deflate: bool = True,
    ) -> None:
        """`apart`: connections have threads of their own, and the application one for itself.
        `deflate`: whether websockets may be compressed."""
        self._application = application
        self._lifespan = lifespan
        self._lifespan_s = lifespan_s
        self._grace = grace
        self._loop_thread = LoopThread(grace) if apart else None
        self._scopes = scopes
        self._limits = limits
        self._deflate = deflate

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel:
        """An event loop on the engine, in which the application has started.

        Raises `ApplicationError`.
        """
        thread = self._loop_thread
        if thread is None:
            return self._started(engine, tick_s, connections)
        # First that one: its threads shall not inherit what a model sets up for this one.
        there = thread.host(lambda: self._started(engine, tick_s, CALLS))
        here = self._host(engine, tick_s, connections)
        here.state, here.there = there.state, there
        return here

    def _host(self, engine: type[IOModel], tick_s: float, connections: int) -> ApplicationLoop:
        io = loop_engine(engine)(tick_s=tick_s, connections=connections)
        return ApplicationLoop(
            io, grace=self._grace, lifespan=self._lifespan, lifespan_s=self._lifespan_s
        )

    def _started(self, engine: type[IOModel], tick_s: float, connections: int) -> ApplicationLoop:
        host = self._host(engine, tick_s, connections)
        descendants.give_up(host.give_up)
        try:
            host.start(self._application)
            descendants.end_if_copy()
        except BaseException:
            host.close()
            raise
        return host

    def close(self) -> None:
        """The host of each process has ended its own lifespan. Raises `ShutdownCut`."""
        if self._loop_thread is not None:
            self._loop_thread.close()

    def respond(self, exchange: Exchange) -> Awaitable[None]:
        """The call is begun at once, and mostly over: without a coroutine of ours around it."""
        conn = exchange.conn
        host = conn.io
        ends: Ends = conn.remembered or remembered_ends(conn)
        if b"connection" in exchange.request.obeyed and is_websocket(exchange):
            return self._websocket(exchange, host, ends)
        if host.there is not None:
            return self._http_apart(exchange, host, ends)
        cycle = HttpCycle(exchange, host)
        try:
            scope = self._scopes.http(exchange, ends)
            span = exchange.span
            application = self._application if span is None else self._within(span)
            over = host.lent_tasks.begin(application(scope, cycle.receive, cycle.send), cycle)
        except BaseException as error:  # noqa: BLE001 - the edge of an application
            cycle.ended(error)
        else:
            if over:
                if exchange.finished and not cycle.has_waited:
                    return ANSWERED  # the usual case
                cycle.ended(None)
        return self._http_rest(exchange, host, cycle)

    def _called_for(self, exchange: Exchange) -> Application:
        """The application; where requests are traced, within the span of this one."""
        return self._application if exchange.span is None else self._within(exchange.span)

    def _within(self, span: ExchangeSpan) -> Application:
        application = self._application

        async def within(scope: Scope, receive: Any, send: Any) -> None:
            span.enter()
            await application(scope, receive, send)

        return within

    async def _http_apart(self, exchange: Exchange, host: ApplicationLoop, ends: Ends) -> None:
        """The same, where the application runs on another host."""
        cycle = HttpCycle(exchange, host)
        near = NearEnd(
            host,
            cycle.receive,
            cycle.send,
            cycle.ended,
            disconnect=HTTP_DISCONNECT,
            exchange=exchange,
            is_finished=lambda: exchange.finished,
        )
        try:
            scope = self._scopes.http(exchange, ends)
            first = await cycle.receive() if exchange.body is None else None
            near.begin(self._called_for(exchange), scope, first)
        except Exception as error:  # noqa: BLE001 - as the edge of an application
            cycle.ended(error)
        try:
            await cycle.settled()
            if not exchange.finished:
                await cycle.give_up()
        finally:
            if cycle.left:
                near.cancel(cycle.heard)
            near.part()
            cycle.close()

    async def _http_rest(self, exchange: Exchange, host: ApplicationLoop, cycle: HttpCycle) -> None:
        try:
            await cycle.settled()
        finally:
            if cycle.left:
                host.lent_tasks.cancel(cycle, cycle.heard)
        if not exchange.finished:
            await cycle.give_up()
        cycle.close()

    async def _websocket(self, exchange: Exchange, host: ApplicationLoop, ends: Ends) -> None:
        exchange.keep = False
        socket = WebSocket(exchange, self._limits, deflate=self._deflate)
        scope = self._scopes.websocket(exchange, ends)
        call = self._call(scope, socket, host, exchange)
        if host.lent_tasks.begin(call, socket):
            socket.ended(None)
        await socket.read()
        await socket.wait_for_sends()

    async def _call(
        self, scope: Scope, socket: WebSocket, host: ApplicationLoop, exchange: Exchange
    ) -> None:
        failed = False
        application = self._called_for(exchange)
        try:
            if host.there is None:
                await application(scope, socket.receive, socket.send)
            else:
                await carried_apart(host, application, scope, socket, exchange)
        except ClientLeft:
            pass  # it was told, and did not mind
        except BaseException as error:  # noqa: BLE001 - the edge of an application
            descendants.end_if_copy(error)
            failed = True
            report_end(error, exchange)
        try:
            await socket.close_after_application(failed=failed)
        except ClientLeft:
            pass  # no client is left to say goodbye to


def remembered_ends(conn: HttpConnection) -> Ends:
    """Raises `ProtocolError`."""
    ends = Ends(conn)
    conn.remember(ends)
    return ends
