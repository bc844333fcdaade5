"""The serving side of the process model: one process, one connection at a time."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from time import monotonic

from ...iomodels.interface import IOModel
from ...isolation.descendants import descendants
from ..base import ServingModel, close_woken, wake_on_signals
from ..open_connections import opened
from .channel import IDLE, receive_message, send_message
from .occupied import Occupancy


class Child:
    """Says that it is idle, gets a connection, serves it; until its channel ends."""

    def __init__(
        self,
        model: ServingModel,
        number: int,
        channel: socket.socket,
        to_acceptor: socket.socket,
        say_idle: Callable[[], None],
        *,
        place: Occupancy,
    ) -> None:
        """`say_idle` is called once, when it can serve; `place`: what the forker sees of it."""
        self._model = model
        self._number = number
        self._channel = channel
        self._to_acceptor = to_acceptor
        self._say_idle = say_idle
        self._place = place
        self._open = model.begin_anew()
        self._forker = os.getppid()
        self._is_starting = True

    def _end_if_orphaned(self) -> None:
        """A start-up may take for ever, and the forker, which would end us then, is dead.

        No client is served here yet; the kernel gives a dead parent's children away before it
        sends them the signal that they asked for (PR_SET_PDEATHSIG).
        """
        if self._is_starting and os.getppid() != self._forker:
            os._exit(1)

    @property
    def has_cut(self) -> bool:
        """Whether its connection had to be ended in the middle of an exchange."""
        return self._open.draining.cut > 0

    def _finish(self) -> None:
        self._end_if_orphaned()
        self._model.options.grace.begin()
        self._model.finish_connections()
        self._cut_what_is_late()  # we may have slept, and the forker asks no third time

    def _cut(self) -> None:
        """The forker asks again when the grace time is over; others may at any time."""
        self._end_if_orphaned()
        self._cut_what_is_late()

    def _cut_what_is_late(self) -> None:
        if monotonic() >= self._model.options.grace.until():
            self._model.cut_connections()

    def run(self) -> None:
        # Told to leave, we go on as long as the acceptor has connections to hand over,
        # but let each of them end after its exchange.  Set first: making the I/O model
        # starts an ASGI application, which must not be left half started.
        self._model.stops.begin(self._finish, again=self._cut, says=self._number == 1)
        self._model.hooks.started()
        io = self._model.new_io(1)
        self._is_starting = False
        if self._model.stopping:
            self._model.finish_connections()
        self._model.stops.look()
        wake_on_signals(io)
        descendants.give_up(self._channel.close, self._to_acceptor.close, io.give_up)
        self._say_idle()
        try:
            while (sock := self._next(io)) is not None:
                connection = opened(io, sock)
                if connection is not None:
                    self._place.take()
                    io.run(self._open.attend(self._model.handler, connection))
                    self._place.give_back()
                if self._model.options.fresh or self._model.is_worn:
                    break
        finally:
            close_woken(io)
            self._model.hooks.ended()

    def _next(self, io: IOModel) -> socket.socket | None:
        self._model.hooks.idle()
        try:
            send_message(self._to_acceptor, IDLE, self._number)
            io.until_readable(self._channel)
            heard = receive_message(self._channel)
        except OSError:
            return None  # the acceptor is gone
        return None if heard is None else heard[2]
