"""Accepting beside POSIX aio, which has no aio_accept.

Facts.        aio can read and write, nothing else; a listening socket does neither.
              poll(2) by several processes on one listener is harmless: nothing is taken.
Consequence.  Somebody else has to wait for connections.  If that one accepted as well,
              a socket could get lost between it and us, and more would leave the
              kernel's queue than we have room for.
Choice.       A helper thread per listener does nothing but poll(2), and only when asked;
              the model's own thread then accepts.  It is asked, and stopped, through a
              pipe, so the listener's state, which other processes share, stays as it is.
Cost.         A thread per listener, and two hand-overs (60 us) before the first accept
              after a quiet spell; under load a batch needs one.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import types
from collections.abc import Generator
from typing import Protocol

from ...interface import Listener, Waiter
from ...readiness.connection import accept_all, accept_batch
from ...scheduler import ACCEPT_BATCH


class Helping(Protocol):
    """What the listener needs of its model."""

    def resume_threadsafe(self, waiter: Waiter) -> None: ...
    def next_turn(self) -> Waiter: ...


class HelpedListener(Listener):
    """A listening socket that a helper thread polls."""

    def __init__(self, io: Helping, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.reader = Waiter(hints=1)
        self._io = io
        self._helper: threading.Thread | None = None
        self._questions, self._ask = os.pipe2(os.O_CLOEXEC)

    @types.coroutine
    def accept(self) -> Generator[Waiter, None, list[socket.socket]]:
        reader = self.reader
        while True:
            if not reader.hints:
                yield from self._until_polled()
            else:
                yield self._io.next_turn()
            # Until it has said EAGAIN there may be more: try again before asking anybody.
            reader.hints = 1
            accepted, drained = accept_batch(self.sock.accept, ACCEPT_BATCH)
            if drained:
                reader.hints = 0
            if accepted:
                return accepted

    def _until_polled(self) -> Generator[Waiter, None, None]:
        if self._helper is None:
            self._helper = threading.Thread(target=self._help, name="fivefold-accept", daemon=True)
            self._helper.start()
        os.write(self._ask, b"?")
        yield self.reader

    def close(self) -> list[socket.socket]:
        self.stop()
        return accept_all(self.sock.accept)

    def stop(self) -> None:
        """End the helper; more than once is all right."""
        if self._ask < 0:
            return
        if self._helper is not None:
            # Closing would not do: what an application has forked may hold the pipe, too.
            os.write(self._ask, b".")
            self._helper.join()
        os.close(self._ask)
        self._ask = -1
        os.close(self._questions)

    # runs in: the helper thread

    def _help(self) -> None:
        watched = select.poll()
        watched.register(self.sock.fileno(), select.POLLIN)
        watched.register(self._questions, select.POLLIN)
        while os.read(self._questions, 1) == b"?":
            events = dict(watched.poll())
            if self._questions in events:
                return
            self._io.resume_threadsafe(self.reader)
