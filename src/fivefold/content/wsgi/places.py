"""Where a WSGI application runs, and how what it writes gets to its client from there.

`start_response` returns a `write` that has to send at once (PEP 3333, "The write()
Callable"), in the middle of a call that no coroutine can be suspended in.

In place.  The thread of the connection runs the application; a write drives the I/O model
           itself until the kernel has the part (`io.run`, nested).  Whatever else the same
           thread serves, other connections or other streams of the same, goes on meanwhile,
           but no application is called: it is in the middle of something, and might hold a
           lock that it would then wait for.  Since other connections wait for this client, it
           has `send_s` to take a part, however steadily it reads.
In a pool. A write hands the part to the loop, and its thread waits for the answer.

Assumption.  `write` is called during the call, in its thread; elsewhere it raises.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ...errors import PeerGone, RequestTimedOut
from ...http1.exchange import Exchange
from ...http1.limits import Limits
from ...http1.logged import LoggedExchange
from ...http1.response import DateField, ResponseHead
from ...iomodels.interface import Waiter
from ...iomodels.lifetime import NEVER
from ..application.thread_pool import Lease, Threads
from .call import Call

OTHER_THREAD = "write() was called in another thread than the application, or after its end"


class Place(Protocol):
    """Where the pieces of a call run."""

    @property
    def occupied(self) -> bool | dict[Any, Any]:
        """False if the application can be called in any thread without waiting."""

    def is_occupied(self, io: Any) -> bool:
        """Whether it cannot be called in the thread of this model without waiting."""

    async def run(self, call: Call, piece: Callable[[], Any]) -> Any:
        """What `call.attempt(piece)` returns there."""

    def send(self, call: Call, data: bytes) -> BaseException | None:
        """From within a piece: send a part, whole; what went wrong."""

    def abandon(self, call: Call) -> None:
        """The model closes in the middle of a response; `close` is owed all the same."""


class InPlace:
    """In the thread that runs the connection."""

    def __init__(self, limits: Limits, *, shared: bool) -> None:
        """`shared`: whether the thread serves other connections, too."""
        self._limits = limits
        self._shared = shared
        self._date = DateField()
        self.occupied: dict[Any, list[Waiter]] = {}
        """By the model of each thread whose application is in a `write`: who waits for its end.
        Each thread has to do with its own only."""

    def is_occupied(self, io: Any) -> bool:
        return io in self.occupied

    async def run(self, call: Call, piece: Callable[[], Any]) -> Any:
        io = call.conn.io
        while self.occupied and (queue := self.occupied.get(io)) is not None:
            waiter = Waiter()
            queue.append(waiter)
            await waiter
        return call.attempt(piece)

    def send(self, call: Call, data: bytes) -> BaseException | None:
        conn = call.conn
        if conn.io.thread != threading.get_ident():
            return RuntimeError(OTHER_THREAD)
        exchange = call.exchange
        if exchange is None:
            exchange = call.exchange = self._begun(call)
        self.occupied[conn.io] = []
        if self._shared:
            before = conn.expect_progress(NEVER)
        try:
            error: BaseException | None = conn.io.run(sent(exchange, call.head, data))
        finally:
            if self._shared:
                conn.expect_progress(before)
            for waiter in self.occupied.pop(conn.io):
                conn.io.resume(waiter)
        return error

    def _begun(self, call: Call) -> Exchange:
        """For what was asked before there was an exchange (`Wsgi.answer_at_once`)."""
        assert call.asked is not None
        request, head = call.asked
        # One that counts, for whichever it will be continued by.
        return LoggedExchange(call.conn, request, head, None, self._limits, self._date)

    def abandon(self, call: Call) -> None:
        call.attempt(call.close)


class InPool:
    """In a thread of the pool, the same one for all pieces of a call."""

    occupied = True

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    def is_occupied(self, io: Any) -> bool:
        return True

    async def run(self, call: Call, piece: Callable[[], Any]) -> Any:
        lease = call.lease = call.lease or Lease(self._threads, call.conn.io)
        try:
            outcome = await lease.call(partial(leased, lease, call, piece))
            while isinstance(outcome, Written):
                assert call.exchange is not None
                outcome = await lease.answer(await sent(call.exchange, call.head, outcome.data))
        except RequestTimedOut as error:
            call.broken = PeerGone(str(error))  # for what it writes from now on
            call.left = lease.leave(partial(leased, lease, call, call.close))
            raise
        return outcome

    def send(self, call: Call, data: bytes) -> BaseException | None:
        assert call.lease is not None
        error: BaseException | None = call.lease.ask(Written(data))
        return error

    def abandon(self, call: Call) -> None:
        assert call.lease is not None
        call.lease.end(partial(leased, call.lease, call, call.close))


class Written:
    """What an application in the pool has written, and the loop shall send."""

    def __init__(self, data: bytes) -> None:
        self.data = data


def leased(lease: Lease, call: Call, piece: Callable[[], Any]) -> Any:
    outcome = call.attempt(piece)
    lease.keep = not call.over
    return outcome


async def sent(exchange: Exchange, head: ResponseHead | None, data: bytes) -> BaseException | None:
    """A part, with the head if it is the first, given to the kernel; what went wrong."""
    try:
        if not exchange.started:
            assert head is not None
            exchange.start(head)
        await exchange.write(data, more=True)
        await exchange.conn.settled()
    except GeneratorExit:
        raise
    except BaseException as error:  # noqa: BLE001 - raised in the application's `write`
        return error
    return None
