"""Work stealing: a worker accepts what waits in the queues of others.

Facts.        With SO_REUSEPORT the kernel chooses a queue by a hash of the addresses, whoever
              is behind it: a worker that is dead, starting, stopped or busy for long holds its
              part of all clients.  One listener for all would be worse: measured with four
              workers and fresh connections, epoll then wakes all workers (141 us of processor
              time for a connection instead of 112; 182 to 379 of 1200 connections for each
              worker instead of 277 to 318), sigio signals and io_uring chooses always the same
              worker (1200 of 1200), and when that one was stopped, no client of 64 was
              answered at all.  EPOLLEXCLUSIVE would help epoll only, and a wake-up that goes to
              a thread which waits for the GIL would be lost.
Choice.       The queues stay apart, so the usual way costs nothing.  Each worker looks into all
              of them with one poll(2), rarely while it finds nothing, often once it has found
              a client; it takes what is there in two looks in a row, and no more than it has
              room for.  The client of a neighbour that is merely busy is served earlier.
Cost.         One poll(2) in `RARELY_S` for each worker; a client of a queue whose worker is
              away waits so long at most, and twice `OFTEN_S` once its neighbours know.
Assumption.   O_NONBLOCK is set for these listeners, or an accept that comes too late would
              wait; where it is not (io_uring before 5.19), that queue is left alone.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
from collections.abc import Callable, Iterable

from ..iomodels.interface import IOModel, Listener
from ..iomodels.readiness.listener import accept_all, accept_batch

RARELY_S = 0.25
OFTEN_S = 0.005

AT_ONCE = 8
"""From one queue in one look, so that several workers share what is there."""


class OtherQueues(Listener):
    """The queues of all slots as one listener, which is looked at from time to time."""

    def __init__(
        self, io: IOModel, sockets: Iterable[socket.socket], room: Callable[[], int]
    ) -> None:
        """`room`: how many connections this worker could serve now."""
        self._io = io
        self._room = room
        self._sockets = {sock.fileno(): sock for sock in sockets}
        self._waited: set[int] = set()
        self._poll = select.poll()
        for fd in self._sockets:
            self._poll.register(fd, select.POLLIN)

    async def accept(self) -> list[socket.socket]:
        """Raises OSError, as accept(2) does."""
        pause_s = OFTEN_S
        while True:
            await self._io.sleep(pause_s)
            accepted = self._look()
            if accepted:
                return accepted
            pause_s = OFTEN_S if self._waited else min(2 * pause_s, RARELY_S)

    def _look(self) -> list[socket.socket]:
        """A client of a queue in which one waited at the last look, too."""
        waiting = {fd for fd, _ in self._poll.poll(0)}
        neglected, self._waited = waiting & self._waited, waiting
        accepted: list[socket.socket] = []
        room = self._room() if neglected else 0
        for fd in neglected:
            most = min(AT_ONCE, room - len(accepted))
            if most > 0 and never_waits(fd):
                try:
                    accepted += accept_batch(self._sockets[fd].accept, most)[0]
                except OSError:
                    if not accepted:
                        raise
        return accepted

    def leave(self) -> list[socket.socket]:
        return []

    def close(self) -> list[socket.socket]:
        """The clients that wait still; their own workers may be gone."""
        accepted: list[socket.socket] = []
        for fd, sock in self._sockets.items():
            if never_waits(fd):
                accepted += accept_all(sock.accept)
        # Whoever is still in `accept` looks at none of them: their numbers will be others'.
        self._sockets, self._poll = {}, select.poll()
        return accepted


def never_waits(fd: int) -> bool:
    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)
