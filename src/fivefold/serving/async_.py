"""async: one thread, all connections.

Promises.  All coroutines of a worker run in its main thread, in turns.  A coroutine that
computes, or calls something that blocks, stops all the others meanwhile.  A crash of the
process takes all its connections with it; an exception takes one.  At the limit of
connections the worker stops accepting, and the kernel's queue holds the rest, unless they
are to be refused (`refusing`).  Signals: SIGTERM stops; the I/O model may use real-time
signals and SIGIO (`sigio` does).

With an I/O model that cannot overlap connections (`traits.overlaps` is False) this is
the classical iterative server: one client at a time, and an idle one is let go early,
because it keeps all others waiting.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import monotonic
from typing import Any

from ..iomodels.interface import IOModel, Listener, Traits, Waiter
from .base import ServingModel, ServingTraits, close_woken
from .limit import SETTING, Limit, affordable
from .open_connections import CUT_S, opened

DRAIN_STEP_S = 0.02
"""How often the end of the last connections is looked for while stopping."""


class Async(ServingModel):
    """An event loop."""

    name = "async"
    traits = ServingTraits(
        runs="a coroutine in the worker's only thread",
        crash_takes="all clients of the worker",
        default_connections=4096,
        one_thread=True,
        many_threads=False,
        scales_by_workers=True,
        can_be_fresh=False,
    )

    def __init__(self, *given: Any, **named: Any) -> None:
        """Takes what every serving model takes."""
        super().__init__(*given, **named)
        self._limit = Limit({SETTING: self.options.max_connections})
        self._full: list[Waiter] = []
        """The coroutine that would accept, and waits for room."""
        self._attended = 0
        """Connections whose coroutine has been made; those that run already are in `open`."""

    def run(self) -> None:
        io = self._io = self.new_io(min(self.options.max_connections, affordable(1)))
        self._limit = self._affordable(io.traits)
        self.hooks.started()
        self._begin(io)
        try:
            io.run(self._main(io))
        finally:
            close_woken(io)
        self.end_accepting()

    def stop(self) -> None:
        # Here and not only when it is drained: an iterative server gets there once the client
        # has gone whom it serves now.
        super().stop()
        self.finish_connections()

    def _affordable(self, traits: Traits) -> Limit:
        """As the engine can, too."""
        most = traits.max_connections
        return self.limit(traits.descriptors, {traits.limit: most} if most else {})

    async def _main(self, io: IOModel) -> None:
        listeners = self.queues(io, lambda: self._limit.most - self._attended)
        self.on_ready()
        for listener in listeners:
            io.spawn(self.accepting(io, listener, self._start))
        while not self.stopping:
            await io.woken
        await self._drain(io, listeners)

    async def _start(self, sock: socket.socket) -> None:
        assert self._io is not None
        if self._attended >= self._limit.most and self.refuses:
            self.refuse(sock)
            return
        connection = opened(self._io, sock)
        if connection is None:
            return
        self._attended += 1
        self._io.spawn(self.open.attend(self.handler, connection))
        self._limit.look(self._attended)
        while self._attended >= self._limit.most and not (self.stopping or self.refuses):
            room = Waiter()
            self._full.append(room)
            await room

    def has_ended(self) -> None:
        assert self._io is not None
        self._attended -= 1
        while self._full:
            self._io.resume(self._full.pop())

    async def _drain(self, io: IOModel, listeners: list[Listener]) -> None:
        """Serve the clients that are connected already, then let all go."""
        await self.close_listeners(listeners, self._start)
        self.finish_connections()
        await self._until_gone(io, self.options.grace.until)
        self.cut_connections()
        over = monotonic() + CUT_S
        await self._until_gone(io, lambda: over)

    async def _until_gone(self, io: IOModel, until: Callable[[], float]) -> None:
        """Until no connection is left, or it is `until`, which may come to be earlier."""
        while self._attended and monotonic() < until():
            await io.sleep(DRAIN_STEP_S)
