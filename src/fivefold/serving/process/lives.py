"""What a process does that the forker has forked: the acceptor's life, and a child's."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from time import monotonic

from ...processes import ending
from ...processes.pulse import Pulse, begin_beating
from ...processes.ready_pipe import Announcement
from ..base import ServingModel
from ..limit import Limit
from .acceptor import Acceptor
from .acceptor_handle import AcceptorHandle
from .child import Child
from .leaving import HAS_CUT
from .occupied import Occupancy


class Lives:
    """What they inherit from the forker, and must close or use."""

    def __init__(self, model: ServingModel, say: Announcement, wake_fds: tuple[int, int]) -> None:
        """`say`: what the forker hears; `wake_fds`: the pipe of its signals, which only it may
        hold."""
        self._model = model
        self._say = say
        self._wake_fds = wake_fds

    # runs in: the acceptor

    def accept(
        self, pulse: Pulse | None, inbox: socket.socket, to_forker: socket.socket, limit: Limit
    ) -> None:
        self._close_pipe()
        with self._saying_why():
            self._begin_beating(pulse)
            Acceptor(self._model, inbox, to_forker, limit).run()

    # runs in: a child

    def serve(
        self,
        acceptor: AcceptorHandle,
        number: int,
        channel: socket.socket,
        pulse: Pulse | None,
        place: Occupancy,
    ) -> None:
        """`number`: by which the acceptor knows it."""

        def say_idle() -> None:
            self._begin_beating(pulse)
            self._say()

        acceptor.wishes.close()
        self._close_pipe()
        for sock in self._model.listeners:
            sock.close()
        child = Child(self._model, number, channel, acceptor.channel, say_idle, place=place)
        try:
            with self._saying_why():
                child.run()
        finally:
            ending.end(self._model.options.grace.end() - monotonic())
        if child.has_cut:
            os._exit(HAS_CUT)  # as `forked` does, with a status of its own

    # runs in: either

    def _begin_beating(self, pulse: Pulse | None) -> None:
        if pulse is not None and self._model.options.stuck_s is not None:
            begin_beating(pulse.beat, self._model.options.stuck_s)

    @contextlib.contextmanager
    def _saying_why(self) -> Iterator[None]:
        """The forker hears from us why we cannot serve."""
        try:
            yield
        except Exception as error:
            if not self._say.failed(error):
                raise

    def _close_pipe(self) -> None:
        for fd in self._wake_fds:
            os.close(fd)
