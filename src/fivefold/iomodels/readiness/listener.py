"""Accepting by trying, once a model says that it is worth while."""

from __future__ import annotations

import errno
import socket
import types
from collections.abc import Callable, Generator
from typing import Any

from ..budget import BURST
from ..interface import Listener, Waiter
from .source import Reactor

Accept = Callable[[], tuple[socket.socket, Any]]

LONGEST_QUEUE = 4096
"""net.core.somaxconn: when a listener is closed, the clients in its queue are taken."""

OF_ONE = {
    errno.ECONNABORTED,
    errno.ENETDOWN,
    errno.EPROTO,
    errno.ENOPROTOOPT,
    errno.EHOSTDOWN,
    errno.ENONET,
    errno.EHOSTUNREACH,
    errno.EOPNOTSUPP,
    errno.ENETUNREACH,
    errno.ETIMEDOUT,
    errno.EPERM,
}
"""Errors of one connection that accept(2) passes on: it was gone before we looked, or a rule
forbids it. The next one is another."""

GONE_IN_A_ROW = 64
"""So many are no clients that left: something refuses each of our calls (seccomp(2), a security
module), and to try on would spin until it no longer does."""


class ReadyListener(Listener):
    """A listening socket of a model that waits until accepting is worth trying."""

    def __init__(self, io: Reactor, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.reader = Waiter(hints=1)
        self.writer = Waiter()
        self._burst = 0
        self._io = io
        self._accept = sock.accept

    @types.coroutine
    def accept(self) -> Generator[Waiter, None, list[socket.socket]]:
        reader = self.reader
        if not reader.hints:
            yield reader
        elif self._burst > BURST:
            self._burst = 0
            yield self._io.next_turn()
        while True:
            # Until it has said EAGAIN there may be more, of which no new event will tell.
            reader.hints = 1
            accepted, drained = accept_batch(self._accept, self._io.accept_batch)
            if drained:
                reader.hints = self._burst = 0
            else:
                self._burst += self._io.accept_batch
            if accepted:
                return accepted
            yield reader if drained else self._io.next_turn()

    def leave(self) -> list[socket.socket]:
        self._io.forget(self)
        return []

    def close(self) -> list[socket.socket]:
        self.leave()
        return accept_all(self._accept)


def accept_batch(accept: Accept, most: int) -> tuple[list[socket.socket], bool]:
    """Accept what is waiting, at most `most`, and whether that was all: the call said EAGAIN.
    The listener must be non-blocking.

    Raises OSError only if nothing could be accepted: EMFILE and its like, or an error of one
    client again and again.
    """
    accepted: list[socket.socket] = []
    gone = 0
    while len(accepted) < most:
        try:
            accepted.append(accept()[0])
            gone = 0
        except BlockingIOError:
            return accepted, True
        except OSError as error:
            gone += 1
            if error.errno in OF_ONE and gone < GONE_IN_A_ROW:
                continue
            # Those that we have are served; the next call meets the error again.
            if accepted:
                break
            raise
    return accepted, False


def accept_all(accept: Accept) -> list[socket.socket]:
    """The clients in the queue of a listener that is closed, as far as there are descriptors."""
    try:
        return accept_batch(accept, LONGEST_QUEUE)[0]
    except OSError:
        return []
