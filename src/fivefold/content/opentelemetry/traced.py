"""Content of which each request is a span, and whose applications are called within it.

Facts.        Which span is the current one is a variable of contextvars.  A connection's
              coroutine has no context of its own, a thread of the pool serves one client after
              the other, and each call of an application runs in a context of its own.
Choice.       The span is never current in the server.  A call begins by making it current in its
              own context (`Exchange.span`), wherever that runs: what the application does is
              below it, and nothing is left for the next request.
Assumption.   An application keeps to its context: a thread that it starts by itself has another
              one, in every server.
              A request whose head is refused (400, 408, 414, 431) reaches no content: the access
              log has it, and there is no span.
Cost.         docs/opentelemetry.md.  Nothing where it is off: then this is not there.
"""

from __future__ import annotations

from collections.abc import Awaitable
from socket import socket
from time import monotonic
from weakref import WeakSet

from ...http1.exchange import OVER, Exchange
from ...http1.response import DateField
from ...http1.slow_path import unforeseen
from ...iomodels.interface import IOModel
from ..application.forwarded import TrustedProxies
from ..base import Around, Content
from .attributes import Attributes
from .server_span import ServerSpan
from .tracers import Tracers


class Traced(Around):
    """Content around the one that answers."""

    def __init__(self, content: Content, proxies: TrustedProxies, pair: dict[str, str]) -> None:
        """`pair`: attributes of every span. Raises `SettingsError`."""
        super().__init__(content)
        self._tracers = Tracers()
        self._attributes = Attributes(proxies, pair)
        self._date = DateField()
        self._answered: WeakSet[socket] = WeakSet()
        """Of connections whose next request is not the first: it did not lie in their queue. All
        streams of one have its socket, and objects of their own. Not `has_asked`, which content
        around this one, or a sampler, has set by now."""

    def io(self, engine: type[IOModel], *, tick_s: float, connections: int) -> IOModel:
        # First the application, whose lifespan may have a tracer provider of its own.
        made = super().io(engine, tick_s=tick_s, connections=connections)
        self._tracers.begin()
        return made

    async def respond(self, exchange: Exchange) -> None:
        conn = exchange.conn
        queued_s = None if conn.sock in self._answered else conn.queued_s
        self._answered.add(conn.sock)
        attributes, parent = self._attributes.of(exchange, queued_s)
        span = exchange.span = ServerSpan(self._tracers.tracer, attributes, parent, conn)
        try:
            await self._response(exchange)
        except OVER as error:
            span.cut(error)
            raise
        except BaseException as error:  # noqa: BLE001 - the edge of content
            raise span.refused(unforeseen(exchange.request, error), error) from None
        finally:
            span.end(finished=exchange.finished, request_id=exchange.request_id)

    def _response(self, exchange: Exchange) -> Awaitable[None]:
        """What is at hand needs no file to be read, and runs no application."""
        conn = exchange.conn
        # A server that stops lets content build the whole exchange, which says `close`.
        answer = None if conn.closing else self._content.at_hand(exchange)
        if answer is None:
            return self._content.respond(exchange)
        if conn.adding:
            answer = answer.with_fields(conn, self._date.at(monotonic()))
        return answer.through(exchange)
