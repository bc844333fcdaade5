"""Clients beyond the limit of connections that are refused: answered at once, and let go.

Facts.        A close while bytes of the client are unread, or on their way, is a reset, which may
              destroy the answer (RFC 9112, section 9.6).  An answer that comes before the request
              is a stray one to some clients (Go's net/http gives the connection up).
Choice.       Whoever accepts only puts the socket here.  A thread, which ends when nobody has been
              refused for a moment, waits until the client has begun to ask, answers, shuts down
              its own direction, and reads until the client closes.  It needs no I/O model: where
              the model blocks, the accepting thread sleeps in accept(2) meanwhile.
Bounds.       Of each client `MOMENT_S` and `MOST_BYTES`; of all, as many at once as `at_once`
              says.  The eldest is closed to make room for another.
Assumption.   The answer fits into the send buffer of a new connection, so that one send(2) that
              never waits takes it; of a longer one the client would get a part.  A client that
              asks nothing for `MOMENT_S` is closed without an answer.  A client that goes on
              sending after its bounds may lose the answer to a reset.
Cost.         Nothing until somebody is refused; then one thread, and 50 to 60 us of processor time
              a client, its accept included.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from select import EPOLLIN, epoll
from time import monotonic

from ..isolation.descendants import descendants
from ..isolation.reporting import logger, report
from ..isolation.starting_threads import start_thread

log = logger("fivefold.serving")

Refusal = Callable[[bytes], bytes]
"""What a client is answered that has begun its request with these bytes."""

MOMENT_S = 2.0
"""As long as `Limits.linger_s` by default: most round trips are much shorter."""

MOST_BYTES = 1 << 20
"""Read of one client: what a fast one has sent before it sees the answer."""

RECV_BYTES = 1 << 16

CLOSING_STEP_S = 0.01
"""How often the end of the last ones is looked for."""

Socket = socket.socket
"""As it was before the application was loaded, which may put another class in its place."""


class Refused:
    """One client."""

    def __init__(self, sock: socket.socket) -> None:
        # Its acceptor may close it at the end of a block.
        self.sock = Socket(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.sock.setblocking(False)
        self.until = monotonic() + MOMENT_S
        self._read = 0

    def goes_on(self, refusal: Refusal) -> bool:
        """Take what the client has sent, and answer; False once there is nothing left to do."""
        try:
            data = self.sock.recv(RECV_BYTES)
            if data and not self._read:
                self.sock.send(refusal(data))
                self.sock.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return True
        except OSError:
            return False  # it has left
        self._read += len(data)
        return bool(data) and self._read < MOST_BYTES


class Refusals:
    """Of one process that accepts. All methods but `_life` are for the thread that accepts."""

    def __init__(self, refusal: Refusal, at_once: int) -> None:
        """`at_once`: how many may hold a descriptor."""
        self._refusal = refusal
        self._at_once = at_once
        # Of both threads, under the lock.
        self._lock = threading.Lock()
        self._clients: dict[int, Refused] = {}
        """By descriptor, the eldest first."""
        self._thread: threading.Thread | None = None
        self._ready = epoll()
        descendants.give_up(self._give_up)

    def add(self, sock: socket.socket) -> None:
        """Refuse this client, and own its socket from now on. Never waits."""
        client = Refused(sock)
        with self._lock:
            if len(self._clients) >= self._at_once:
                self._close(next(iter(self._clients)))
            self._clients[client.sock.fileno()] = client
            try:
                self._ready.register(client.sock, EPOLLIN)
                if self._thread is None:
                    self._thread = start_thread("fivefold-refusing", self._life)
            except (OSError, RuntimeError):  # the kernel lacks something
                self._close(client.sock.fileno())

    def close(self, until: float) -> None:
        """The last ones have their moment, but not beyond `until`; the process ends then."""
        until = min(until, monotonic() + MOMENT_S)
        while self._clients and monotonic() < until:
            time.sleep(CLOSING_STEP_S)
        descendants.keep(self._give_up)

    def _close(self, fd: int) -> None:
        """With the answer, if it has not been given yet and the request is there."""
        client = self._clients.pop(fd)
        client.goes_on(self._refusal)
        try:
            # A copy in a process that the application has forked would keep the entry.
            self._ready.unregister(fd)
        except OSError:
            pass  # it could not be registered
        client.sock.close()

    def _give_up(self) -> None:
        self._ready.close()
        for client in self._clients.values():
            client.sock.close()

    # runs in: the thread

    def _life(self) -> None:
        try:
            while True:
                ready = self._ready.poll(self._due())
                for fd, _ in ready:
                    self._look(fd)
                if not ready and self._ends():
                    return
        except BaseException as error:  # noqa: BLE001 - the edge of a thread
            report(log, "clients could not be refused", error=error)
            with self._lock:
                self._thread = None

    def _due(self) -> float:
        """Close whose time is over; seconds until that of the next one may be."""
        with self._lock:
            now = monotonic()
            while self._clients:
                fd, eldest = next(iter(self._clients.items()))
                if eldest.until > now:
                    return eldest.until - now
                self._close(fd)
            return MOMENT_S

    def _ends(self) -> bool:
        """Whether there has been nobody to refuse for a moment; starting anew costs 50 to 100 us,
        which is for a lone client, and not for each of many."""
        with self._lock:
            if not self._clients:
                self._thread = None
            return self._thread is None

    def _look(self, fd: int) -> None:
        with self._lock:
            client = self._clients.get(fd)
            if client is not None and not client.goes_on(self._refusal):
                self._close(fd)
