"""WSGI applications (PEP 3333).

The request body is received in full first, so a slow client never holds the application.
Where a connection has a thread or process of its own the application is called in place;
where one thread serves all, in a bounded pool of threads, unless the user promises that
it never blocks.  A part of the response is asked for only when the one before is with
the kernel, so a slow client holds its own response and nothing else.

An application that raises is answered with 500 and a line of text; the traceback is for
the log.  If its response has begun, the connection ends instead, so that the client can
tell.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial
from typing import IO, Any, TypeVar

from ..http1.connection import Ready
from ..http1.exchange import Connection, Exchange, joined
from ..http1.request import Request
from ..http1.response import DateField, FilePart, plain
from ..iomodels.base import IOModel
from .received import NO_BODY, received
from .threads import Threads
from .wsgi_environ import Environs, Surroundings
from .wsgi_response import Application, Call

log = logging.getLogger("fivefold.wsgi")

R = TypeVar("R")


class Wsgi:
    """Content that is a WSGI application; shared by all connections of a worker."""

    def __init__(
        self, application: Application, surroundings: Surroundings, threads: Threads | None
    ) -> None:
        """`threads`: None to call the application in place."""
        self._application = application
        self._environs = Environs(surroundings)
        self._threads = threads
        self._date = DateField()

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel:
        return engine(tick_s=tick_s, connections=connections)

    def close(self) -> None:
        if self._threads is not None:
            self._threads.close()

    def ready(self, request: Request, head: bytes, conn: Connection, now: float) -> Ready | None:
        """The response of an application that is called in place and answers with one list,
        which is what most do; whatever else it does is continued by `_finish`."""
        if self._threads is not None or request.has_body or not request.minor:
            return None
        environ = self._environs.of(request, head, conn)
        environ["wsgi.input"] = NO_BODY
        call = Call(environ)
        try:
            part: bytes | FilePart | Failed = call.first(self._application)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge of an application
            part = failed(error)
        else:
            if call.last and call.simple and request.keep_alive and request.method != "HEAD":
                assert call.head is not None
                whole = joined(call.head, part, self._date.at(now))  # type: ignore[arg-type]
                if whole is not None:
                    return whole
        return partial(self._finish, call, part)

    async def respond(self, exchange: Exchange) -> None:
        environ = self._environs.of(exchange.request, exchange.request_head, exchange.conn)
        body = environ["wsgi.input"] = await received(exchange.body)
        if exchange.body is not None and exchange.request.content_length is None:
            environ["CONTENT_LENGTH"] = str(length_of(body))
        call = Call(environ, exchange)
        try:
            part: Any = await self._called(exchange, partial(call.first, self._application))
        except Failed as failure:
            part = failure
        await self._finish(call, part, exchange)

    async def _finish(
        self, call: Call, part: bytes | FilePart | Failed, exchange: Exchange
    ) -> None:
        """Send the first part and get the others, or say that it failed."""
        call.exchange = exchange
        try:
            if isinstance(part, Failed):
                raise part
            await self._send(call, part, exchange)
        except Failed as failure:
            target = exchange.request.target.decode("latin-1")
            log.error("the application failed at %s", target, exc_info=failure.__cause__)
            await fail(exchange)
        finally:
            await self._called(exchange, call.close)

    async def _send(self, call: Call, part: bytes | FilePart, exchange: Exchange) -> None:
        assert call.head is not None
        exchange.start(call.head)
        if isinstance(part, FilePart):
            await exchange.send_file(part)
            return
        while part and not call.last:
            await exchange.write(part, more=True)
            if exchange.exceeded or exchange.silent:
                part = b""  # it may have no end, and nobody would see it
                break
            part = await self._called(exchange, call.step)
        await exchange.write(part, more=False)

    async def _called(self, exchange: Exchange, function: Callable[[], R]) -> R:
        """Run a piece of the application where it may block. Raises `Failed`."""
        try:
            if self._threads is None:
                return function()
            return await self._threads.call(exchange.conn.io, function)
        except (Exception, SystemExit) as error:
            # The edge of an application: its trouble must not become another's.
            raise failed(error) from error


class Failed(Exception):
    """The application raised; `__cause__` says what."""


def failed(error: BaseException) -> Failed:
    failure = Failed()
    failure.__cause__ = error
    return failure


async def fail(exchange: Exchange) -> None:
    """500 if there is still time, otherwise an end of the connection that the client can tell."""
    exchange.keep = False
    if not exchange.started:
        await exchange.answer(plain(500))


def length_of(body: IO[bytes]) -> int:
    length = body.seek(0, os.SEEK_END)
    body.seek(0)
    return length
