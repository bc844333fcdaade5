"""Blocking I/O beside another loop: poll(2) first, then the call that waits.

Facts.        Another loop, asyncio's, wants to hear of its timers and descriptors while a
              connection is silent.  A thread that sleeps in recv(2) hears of nothing.
Consequence.  The wait for a client has to be one that others can share.
Choice.       poll(2) waits for the one connection, the listeners and whatever the other loop
              has registered; the sockets stay blocking, so a send that meets a full buffer
              waits in the call, a tick at most.  Still one client at a time: the next is
              accepted when the last has gone, and an idle one goes when another waits.
Cost.         One call more per receive than `blocking` has, and while a send waits, so does
              the other loop: the honest price of a call that blocks.
"""

from __future__ import annotations

import select
import socket
import types
from collections.abc import Generator
from dataclasses import replace
from time import monotonic

from ...errors import DeadlineExceeded
from ..blocking import ITERATIVE_FIRST_S, ITERATIVE_TICK_S, Blocking, make_blocking
from ..files import ReadInPlace
from ..interface import Waiter
from ..multiplexing import Poll
from ..readiness.connection import ReadyConnection
from ..readiness.listener import ReadyListener
from ..readiness.source import Source


class PolledBlocking(Poll):
    """One connection whose calls block, and a loop beside it."""

    name = Blocking.name
    engine = Blocking.engine
    traits = replace(Blocking.traits, waits_in="poll(2), then the call itself: recv(2), send(2)")

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1) -> None:
        super().__init__(tick_s=tick_s, connections=connections)
        self.files = ReadInPlace()
        self.accept_batch = 1
        self._others = select.poll()  # the listeners: is another client waiting?
        self._client: socket.socket | None = None
        self._vacancies: list[Waiter] = []
        self._wanted = False
        """Whether `wake` was called, by a thread that waits behind the clients."""

    @classmethod
    def available(cls) -> str | None:
        return Blocking.available()

    def connection(self, sock: socket.socket) -> PolledConnection:
        make_blocking(sock, self._tick_s)
        connection = PolledConnection(self, sock)
        self._watch(connection)
        self._connections[connection.fd] = connection
        return connection

    def listener(self, sock: socket.socket) -> IterativeListener:
        sock.setblocking(False)
        listener = IterativeListener(self, sock)
        self._watch(listener)
        self._others.register(listener.fd, select.POLLIN)
        self._tick_s = min(self._tick_s, ITERATIVE_TICK_S)
        self._next_sweep = monotonic()
        return listener

    def took(self, client: socket.socket) -> None:
        """This client was accepted: it is served until its socket is closed."""
        self._client = client

    def is_busy(self) -> bool:
        accepted = self._client is not None and self._client.fileno() >= 0
        return accepted or bool(self._connections)

    def vacancy(self) -> Waiter:
        """Resumed when the client has gone."""
        waiter = Waiter()
        self._vacancies.append(waiter)
        return waiter

    def forget(self, watched: Source) -> None:
        if watched.fd not in self._connections:
            self._others.unregister(watched.fd)
        super().forget(watched)

    def _wait(self, timeout_s: float) -> None:
        if self._vacancies and not self.is_busy():
            waiting, self._vacancies = self._vacancies, []
            for waiter in waiting:
                self.go_on(waiter)
            timeout_s = 0.0
        super()._wait(timeout_s)

    def _sweep(self, now: float) -> None:
        super()._sweep(now)
        idle = [c for c in self._idle() if not c.new or now >= c.hurry_at]
        if idle and self._others.poll(0):
            self._let_go(idle)

    def wake(self) -> None:
        self._wanted = True
        super().wake()

    def resume_threadsafe(self, waiter: Waiter) -> None:
        self._resumable.append(waiter)
        super().wake()

    def _on_wake(self) -> None:
        super()._on_wake()
        # In a server that stops they have a last call.
        wanted, self._wanted = self._wanted, False
        if wanted:
            self._let_go([c for c in self._idle() if not c.closing])

    def _idle(self) -> list[PolledConnection]:
        connections = [c for c in self._connections.values() if isinstance(c, PolledConnection)]
        return [c for c in connections if c.idle and c.reader.task is not None]

    def _let_go(self, connections: list[PolledConnection]) -> None:
        for connection in connections:
            self._throw(connection.reader, DeadlineExceeded())


class PolledConnection(ReadyConnection):
    """A blocking connection that is read only after poll(2) said so."""

    def __init__(self, io: PolledBlocking, sock: socket.socket) -> None:
        super().__init__(io, sock)
        self.hurry_at = monotonic() + ITERATIVE_FIRST_S

    @types.coroutine
    def recv(self) -> Generator[Waiter, None, bytes]:
        if not self.reader.ended:
            self.reader.hints = 0  # a hint may be wrong, and then the call would sleep
        return (yield from super().recv())


class IterativeListener(ReadyListener):
    """Accepts the next client when the last one has gone."""

    def __init__(self, io: PolledBlocking, sock: socket.socket) -> None:
        super().__init__(io, sock)
        self._host = io

    @types.coroutine
    def accept(self) -> Generator[Waiter, None, list[socket.socket]]:
        while self._host.is_busy():
            yield self._host.vacancy()
        accepted = yield from super().accept()
        for client in accepted:  # one at most: that is the batch
            self._host.took(client)
        return accepted
