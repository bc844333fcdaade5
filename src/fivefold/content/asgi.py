"""ASGI 3.0 applications: http, websocket, lifespan.

An application needs a running asyncio loop, and every I/O model hosts one: the loop's
selector is the model, and our connections are tasks of the loop that go on inside its
wait (iomodels.asyncio_host).  The application is called in the task of its connection,
in a context of its own; so nothing is queued between the request's arrival and the
application's first line.

A loop has a lifespan of its own, because what an application opens at its start belongs
to the loop that it was opened in: one per worker under async, one per thread or process
under the others.
"""

from __future__ import annotations

import asyncio
import logging
import types
from collections.abc import Awaitable, Generator
from contextvars import Context, copy_context
from typing import Any
from weakref import WeakKeyDictionary

from ..http1.connection import Ready
from ..http1.exchange import Exchange
from ..http1.limits import Limits
from ..http1.request import Request
from ..http1.response import plain
from ..iomodels.asyncio_host import Host
from ..iomodels.base import IOModel
from .asgi_http import ClientLeft, HttpCycle
from .asgi_lifespan import Application, Lifespan
from .asgi_scope import Scope, Scopes
from .asgi_websocket import WebSocket, is_websocket

log = logging.getLogger("fivefold.asgi")


class Asgi:
    """Content that is an ASGI application; shared by all connections of a worker."""

    def __init__(self, application: Application, scopes: Scopes, limits: Limits) -> None:
        self._application = application
        self._scopes = scopes
        self._limits = limits
        # Weak: under --fresh threads, and their loops, come and go.
        self._states: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Any]] = (
            WeakKeyDictionary()
        )

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel:
        """An event loop on the engine, in which the application has started.

        Raises `ApplicationError`.
        """
        host = LifespanHost(engine.hosting()(tick_s=tick_s, connections=connections))
        try:
            state = host.start(self._application)
        except BaseException:
            host.close()
            raise
        self._states[host.loop] = state
        return host

    def close(self) -> None:
        """Each loop ended its own lifespan."""

    def ready(self, request: Request, now: float) -> Ready | None:
        return None

    async def respond(self, exchange: Exchange) -> None:
        state = self._states[asyncio.get_running_loop()]
        if b"connection" in exchange.request.obeyed and is_websocket(exchange):
            scope = self._scopes.websocket(exchange)
            scope["state"] = state.copy()
            await self._websocket(exchange, scope)
        else:
            scope = self._scopes.http(exchange)
            scope["state"] = state.copy()
            await self._http(exchange, scope)

    async def _http(self, exchange: Exchange, scope: Scope) -> None:
        cycle = HttpCycle(exchange)
        call = self._application(scope, cycle.receive, cycle.send)
        try:
            await in_context(copy_context(), call)
        except ClientLeft:
            exchange.keep = False
        except (Exception, SystemExit):
            # The edge of an application: its trouble must not become another's.
            if cycle.refusal is None:
                log.exception("the application failed at %s", scope["path"])
        except asyncio.CancelledError:
            # By itself, or because grace is over: then this connection ends as well.
            log.error("the application was cancelled at %s", scope["path"])
            exchange.keep = False
        finally:
            gone = cycle.gone
            await cycle.over()
        if cycle.refusal is not None:
            raise cycle.refusal
        if not exchange.finished:
            exchange.keep = False
            if not exchange.started and not gone:
                await exchange.answer(plain(500))

    async def _websocket(self, exchange: Exchange, scope: Scope) -> None:
        exchange.keep = False
        socket = WebSocket(exchange, self._limits)
        task = asyncio.get_running_loop().create_task(self._call(scope, socket))
        try:
            await socket.read()
        finally:
            await asyncio.wait([task])

    async def _call(self, scope: Scope, socket: WebSocket) -> None:
        failed = False
        try:
            await self._application(scope, socket.receive, socket.send)
        except ClientLeft:
            pass  # it was told, and did not mind
        except (Exception, SystemExit):
            # The edge of an application.
            failed = True
            log.exception("the application failed at %s", scope["path"])
        except asyncio.CancelledError:
            # Whoever cancelled it: the reading side waits to be told.
            failed = True
            log.error("the application was cancelled at %s", scope["path"])
        try:
            await socket.finish(failed=failed)
        except ClientLeft:
            pass  # nobody to say goodbye to


class LifespanHost(Host):
    """A loop that begins and ends with the application's lifespan."""

    lifespan: Lifespan | None = None

    def start(self, application: Application) -> dict[str, Any]:
        """The application's state. Raises `ApplicationError`."""
        self.lifespan = Lifespan(application, self.loop)
        self.lifespan.startup()
        return self.lifespan.state

    def close(self) -> None:
        if self.lifespan is not None and not self.loop.is_closed():
            self.lifespan.shutdown()
        super().close()


@types.coroutine
def in_context(context: Context, call: Awaitable[None]) -> Generator[Any, Any, None]:
    """Await `call`, each step of it in `context`: what it sets there ends with the request."""
    run = context.run
    coroutine: Any = call
    step, argument = coroutine.send, None
    try:
        while True:
            parked = run(step, argument)
            try:
                argument = yield parked
                step = coroutine.send
            except GeneratorExit:
                run(coroutine.close)
                raise
            except BaseException as thrown:  # noqa: BLE001 - passed on
                step, argument = coroutine.throw, thrown
    except StopIteration:
        return
