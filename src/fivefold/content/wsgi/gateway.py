"""WSGI applications (PEP 3333).

The request body is received in full first, so a slow client never holds the application.
Where a connection has a thread or process of its own the application is called in place;
where one thread serves all, in a bounded pool of threads, unless the user promises that
it never blocks.  Either way a call has one thread and one context, from its first line to
`close`.  A part of the response is asked for only when the one before is with the kernel,
so a slow client holds its own response and nothing else.

An application that raises, whatever it raises, is answered with 500 and a line of text;
the traceback is for the log.  If its response has begun, the connection ends instead, so
that the client can tell.
"""

from __future__ import annotations

import os
from contextvars import copy_context
from functools import partial

from ...errors import ClientLeft
from ...http1.answer import Answer, Deferred
from ...http1.escaping import as_text
from ...http1.exchange import Exchange
from ...http1.explaining.explained import failed
from ...http1.request import Request
from ...http1.response import FilePart
from ...http1.stream import HttpConnection
from ...isolation.descendants import descendants, end_copy
from ...isolation.reporting import is_a, logger, report
from ..application.thread_pool import Threads
from ..base import Content
from .call import Application, Call, Failed, Misbehaved
from .environ import Environs, WsgiConstants
from .input import NO_BODY, abandon, received
from .places import Place
from .silence import HUNG_UP, Leaver

log = logger("fivefold.wsgi")

Part = bytes | FilePart | Failed


class Wsgi(Content):
    """Content that is a WSGI application; shared by all connections of a worker."""

    nests = True

    def __init__(
        self,
        application: Application,
        constants: WsgiConstants,
        place: Place,
        threads: Threads | None = None,
    ) -> None:
        """`place`: where it is called; `threads`: those of a pool, to be closed."""
        self._application = application
        self._environs = Environs(constants)
        self._place = place
        self._threads = threads
        self._context = copy_context()
        self._send_part = place.send

    def close(self) -> None:
        if self._threads is not None:
            self._threads.close()

    def answer_at_once(
        self, request: Request, head: bytes, conn: HttpConnection, now: float
    ) -> Answer | None:
        """The response of an application that is called in place and answers with one list,
        which is what most do; whatever else it does is continued by `_finish`."""
        if request.has_body or request.version != "1.1":
            return None
        if self._place.occupied and self._place.is_occupied(conn.io):
            return None
        environ = self._environs.of(request, head, conn)
        environ["wsgi.input"] = NO_BODY
        context = self._context.copy()
        call = Call(environ, conn, context, self._send_part)
        call.asked = request, head
        try:
            part: Part = context.run(call.first, self._application)
        except BaseException as error:  # noqa: BLE001 - the edge of an application
            descendants.end_if_copy(error)
            part = Failed(error)
        else:
            if descendants.is_copy:
                end_copy()
            # A server that stops meanwhile says so: an exchange does.
            whole = call.last and request.keep_alive and not conn.closing
            if whole and request.method != "HEAD":
                answer = call.as_whole(part)
                if answer is not None:
                    return answer
        return Deferred(partial(self._finish, call, part))

    async def respond(self, exchange: Exchange) -> None:
        """Raises what `received` raises, and `LimitReached` if there is no thread for it."""
        environ = self._environs.of(exchange.request, exchange.request_head, exchange.conn)
        body = environ["wsgi.input"] = await received(exchange.body)
        if exchange.body is not None and exchange.request.content_length is None:
            environ["CONTENT_LENGTH"] = str(body.seek(0, os.SEEK_END))
            body.seek(0)
        call = Call(environ, exchange.conn, self._context.copy(), self._send_part)
        call.exchange = exchange
        if exchange.span is not None:
            call.context.run(exchange.span.enter)
        try:
            part = await self._place.run(call, partial(call.first, self._application))
        except BaseException:
            if not call.left:
                abandon(body)
            raise
        await self._finish(call, part, exchange)

    async def _finish(self, call: Call, part: Part, exchange: Exchange) -> None:
        """Send the first part and get the others, or say that it failed; then close it."""
        if call.exchange is not None and call.exchange is not exchange:
            exchange.adopt(call.exchange)
        call.exchange = exchange
        abandoned = False
        try:
            await self._answer(call, part, exchange)
        except GeneratorExit:
            abandoned = True
            raise
        finally:
            if call.left:
                pass  # its thread does the rest
            elif call.over:
                call.ended = True
            elif abandoned:
                self._place.abandon(call)
            else:
                closed = await self._place.run(call, call.close)
                if isinstance(closed, Failed):
                    message = "the application's close() failed at %s"
                    report(log, message, target_of(exchange), error=closed.error)

    async def _answer(self, call: Call, part: Part, exchange: Exchange) -> None:
        failure = part if isinstance(part, Failed) else await self._send(call, part, exchange)
        if failure is not None:
            error = failure.error
            if is_a(error, Misbehaved):
                report(log, "the application failed at %s: %s", target_of(exchange), error)
            elif call.broken is None or not is_a(error, ClientLeft, type(call.broken)):
                report(log, "the application failed at %s", target_of(exchange), error=error)
        if call.broken is not None:
            raise call.broken
        if failure is not None:
            if exchange.span is not None:
                exchange.span.failed(failure.error)
            exchange.keep = False  # which the client can tell, if the response has begun
            if not exchange.started:
                await exchange.answer(failed(exchange))

    async def _send(self, call: Call, part: bytes | FilePart, exchange: Exchange) -> Failed | None:
        """The response, part by part; None if nothing failed but, perhaps, a `write`."""
        if not exchange.started:
            start(call, exchange)
        if isinstance(part, FilePart):
            if call.broken is None:
                await exchange.send_file(part)
            return None
        leaver: Leaver | None = None
        while part and not call.last and call.broken is None:
            if part is HUNG_UP:
                leaver = leaver or Leaver()
                await leaver.prove(exchange)
            else:
                await exchange.write(part, more=True)
            if exchange.exceeded or exchange.silent:
                part = b""  # it may have no end, and no client would see it
                break
            following: bytes | Failed = await self._place.run(call, call.step)
            if isinstance(following, Failed):
                return following
            part = following
            if not exchange.started:
                start(call, exchange)
        if call.broken is None:
            await exchange.write(part, more=False)
        return None


def start(call: Call, exchange: Exchange) -> None:
    """As long as nothing has left, `start_response` may be called again."""
    assert call.head is not None
    exchange.start(call.head)


def target_of(exchange: Exchange) -> str:
    return as_text(exchange.request.target)
