"""A call of an ASGI application and the connection that it answers, until they part.

They do as soon as they can: when the response is out the connection goes on to its next request,
and what the call still does it does by itself; a client that has left takes its connection with
it, and not the call.
"""

from __future__ import annotations

import asyncio
from typing import cast

from ....errors import (
    ClientLeft,
    DeadlineExceeded,
    FileShrank,
    PeerGone,
    ProtocolError,
    RequestTimedOut,
)
from ....http1.exchange import Exchange
from ....http1.explaining.explained import failed
from ....iomodels.interface import Connection, Waiter
from ....isolation.descendants import descendants
from ....isolation.reporting import is_a, logger
from ..application_loop import ApplicationLoop
from ..call_end import path_of, report_end, unfinished
from ..client_watch import Watch
from ..send_lock import Operation, SendLock
from .request_body import AHEAD_BYTES, RequestBody

log = logger("fivefold.asgi")

RESET_S = 0.01
"""For the reset of a client that has gone; a later one is noticed at the next look."""


class ConnectedCall:
    """The connection's side of a call: what is known of both and of the client, and until when
    the connection waits."""

    # What few calls look at is of the class (see `ExchangeState`).

    # Of the request.
    _complete = False
    """Whether the application has all of it."""

    # Of the response.
    _has_failed = False

    # Of the client.
    _watch: Watch | None = None
    _quiet = False
    """Whether it has sent a FIN and was sent nothing since."""
    _disconnected = False
    """Whether `receive` says http.disconnect."""
    _disconnect: asyncio.Future[None] | None = None
    """Done once it says so; made for the first that waits for it."""

    # Of the call and its connection.
    left = False
    """Whether it has had its time, and the connection goes on without it."""
    has_heard = False
    """Whether the loop of the call knows that."""
    _timed_out: float | None = None
    _parted = False
    """Whether the connection goes on without it."""

    def __init__(self, exchange: Exchange, host: ApplicationLoop) -> None:
        self._exchange = exchange
        self._host = host
        self._body = None if exchange.body is None else RequestBody(exchange.body, host)
        self._refusal: ProtocolError | None = None
        """Why the body could not be read to its end; answered when the application ends."""
        self._trailers = False
        """Whether trailer fields are still to come."""
        self._turns: SendLock | None = None
        self.has_waited = False
        """Whether a call has waited here, so that the connection must wait as well."""
        self._gone = False
        """Whether nothing reaches the client."""
        self._over = False
        """Whether the call has ended."""
        self._waiter: Waiter | None = None
        """Of the connection, which waits until it may go on."""

    async def settled(self) -> None:
        """Until the connection may go on: the response is out, the client gone, or the call over.

        To be awaited by the connection's coroutine; then that has its connection back.  Raises
        `RequestTimedOut`.
        """
        self._host.watches.add(self)
        try:
            while not self._is_settled():
                self._waiter = waiter = Waiter()
                await waiter
                if self._has_timed_out():
                    self.left = True
                    self._left()
                    raise RequestTimedOut
        finally:
            self._host.watches.discard(self)
            self._parted = True
            if self._watch is not None:
                self._watch.stop()
            if self._body is not None:
                self._body.stop(PeerGone("the exchange is over"))

    @property
    def mark(self) -> float:
        """Of what is waited for now."""
        return self._exchange.moved_at

    def heard(self) -> None:
        """The call is being cancelled."""
        self.has_heard = True

    def time_out(self, mark: float) -> None:
        """Let the connection go on without the call, if it still waits for what had this mark;
        from any thread."""
        self._timed_out = mark
        if (waiter := self._waiter) is not None:
            self._host.resume_threadsafe(waiter)

    @property
    def waits_for_client(self) -> bool:
        """Whether the application wants more of the request, or has said something."""
        return self.is_sending() or (self._body is not None and self._body.is_being_read)

    def _has_timed_out(self) -> bool:
        waits = not (self._is_settled() or self.waits_for_client)
        return waits and self._timed_out == self.mark

    def _is_settled(self) -> bool:
        left = self._gone and not self._exchange.conn.keeps_place
        return (self._exchange.finished or left or self._over) and not self.is_sending()

    def ended(self, error: BaseException | None) -> None:
        """The call is over, perhaps long after its response."""
        self._over = True
        descendants.end_if_copy(error)
        if error is not None:
            self._report(error)
        self._go_on()

    def _report(self, error: BaseException) -> None:
        exchange = self._exchange
        exchange.keep = exchange.keep and exchange.finished
        if self._gone or self._refusal is not None or is_a(error, ClientLeft):
            return  # it was told, and took it as it liked
        self._has_failed = report_end(error, exchange)

    async def give_up(self) -> None:
        """The call is over, or the client gone, and the response is not whole."""
        exchange = self._exchange
        exchange.keep = False
        if self._refusal is not None:
            raise self._refusal
        if not (self._has_failed or self._disconnected or exchange.conn.closing):
            log.error("the application ended %s at %s", unfinished(exchange), path_of(exchange))
        if not exchange.started and not self._disconnected:
            await exchange.answer(failed(exchange))

    def close(self) -> None:
        """The connection has gone on: an application that listens learns that it is over."""
        self._end_receiving()

    def is_sending(self) -> bool:
        return self._turns is not None and self._turns.busy

    def _go_on(self) -> None:
        """Let the connection see whether it may go on."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            self._host.resume(waiter)

    def _end_receiving(self) -> None:
        """From now on `receive` says http.disconnect."""
        self._disconnected = True
        if self._disconnect is not None and not self._disconnect.done():
            self._disconnect.set_result(None)

    def _left(self) -> None:
        """From now on `send` raises."""
        self._gone = True
        self._exchange.keep = False
        self._end_receiving()
        self._go_on()

    # As it is watched

    def _watching(self) -> Watch:
        if self._watch is None:
            self._watch = Watch(cast("Connection", self._exchange.conn), self)
        return self._watch

    def look(self) -> None:
        """Called now and then while the call goes on."""
        exchange = self._exchange
        if self._gone:
            self._go_on()  # a place that was kept may be nobody's any more
            return
        if exchange.conn.closing and exchange.streams:
            self._end_receiving()
        if self._body is None or not self._body.is_being_read:
            self._watching().look()

    def took(self, data: bytes) -> bool:
        exchange, body = self._exchange, self._body
        if body is None or body.finished:
            exchange.beyond += data
            return len(exchange.beyond) < AHEAD_BYTES
        return body.put(data)

    def hung_up(self, *, certainly: bool) -> None:
        if certainly or not (self._body is None or self._body.finished):
            self._left()
            return
        self._quiet = True
        if not (self._exchange.started and self.fill()):
            self._end_receiving()

    def fill(self) -> bool:
        exchange = self._exchange
        if not self._quiet:
            return True
        if self.is_sending() or not exchange.can_fill:
            return False
        if self._turns is None:
            self._turns = SendLock(self._host)
        self._turns.busy = True
        self._quiet = False
        self._host.spawn(self._filling())
        return True

    async def _sending(self, operation: Operation) -> None:
        assert self._turns is not None
        try:
            await operation
            self._check_client()
        except (PeerGone, DeadlineExceeded, FileShrank) as error:
            self._left()
            raise ClientLeft(str(error)) from None
        finally:
            self._turns.pass_on()
            self._go_on()

    def _check_client(self) -> None:
        if self._watch is not None and self._watch.is_gone():
            raise PeerGone("the client has answered by a reset")

    async def _filling(self) -> None:
        """Ask the client whether it is there, then tell the application that it has hung up."""
        try:
            await self._sending(self._exchange.fill())
            await self._host.sleep(RESET_S)
        except OSError:
            self._left()
        else:
            if self._watch is not None and not self._parted and self._watch.is_gone():
                self._left()
            self._end_receiving()
