"""Trying: what blocking, nonblocking, multiplexing and sigio have in common.

Facts.        Four of Stevens' five models differ only in how they wait until a call is
              worth trying; in the copy phase all four make the same call (UNP 6.2).
              On CPython 3.11 a call that fails with EAGAIN costs 1.3 us for the
              exception alone, more than the system call itself.
Consequence.  The trying can be written once, and must not be done blindly.
Choice.       An operation waits first unless a *hint* says that trying is worth while;
              a call that moved fewer bytes than it could has emptied (or filled) the
              kernel's buffer, so the next one waits again.  A hint is never required
              for correctness and never trusted: EAGAIN only means waiting again.
Cost.         A connection on which bytes arrive between two calls of `recv` is noticed
              by the model's next wait, one turn later.

Waiting is a `yield` of the connection's `reader` or `writer`; the model decides what
happens next.
"""

from __future__ import annotations

import errno
import os
import socket
import types
from collections.abc import Callable, Generator
from typing import Any, Protocol

from ..errors import FileShrank, PeerGone
from .base import Connection, File, Listener, Waiter
from .files import FileAccess
from .telling import Tell, awaited, timed

Accept = Callable[[], tuple[socket.socket, Any]]

RECV_BYTES = 16384
"""One receive: the size of nginx's and Go's read buffers. A fresh 64 KiB costs 1.9 us."""

SEND_FILE_BYTES = 262144
"""One sendfile: bounds how long a cold page can stall the call, at 3 % of its throughput."""

DRAIN_ALL = 1 << 30
"""When a listener is closed, whoever is in its queue is taken."""

ENDED = 1 << 30
"""So many hints that they never run out: the stream has ended, a call will not block."""

GONE = {
    errno.EPIPE,
    errno.ECONNRESET,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ECONNABORTED,
    errno.ENETUNREACH,
    errno.ESHUTDOWN,
    errno.EBADF,
}
"""The errors of a connection whose other end (or whose descriptor) is no longer there."""


def peer_gone(error: OSError) -> Exception:
    """Translate an error of a socket call, once, at the edge."""
    return PeerGone(error.strerror) if error.errno in GONE else error


class Readiness(Protocol):
    """What the connections below need of their model."""

    files: FileAccess
    accept_batch: int
    """Connections taken at once; no more than the model is meant to hold."""

    def writer_of(self, connection: ReadyConnection) -> Waiter:
        """The waiter to yield after a send met a full buffer; arms it where need be."""

    def forget(self, watched: ReadyConnection | ReadyListener) -> None:
        """Stop watching; called before the descriptor is closed."""


class ReadyConnection(Connection):
    """A connection of a model that waits until a call is worth trying."""

    def __init__(self, io: Readiness, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        # A client that connects sends at once, so the first try mostly hits.
        self.reader = Waiter(hints=1)
        self.writer = Waiter()
        self._io = io
        self._recv: Callable[[int], bytes] = sock.recv
        self._send: Callable[..., int] = sock.send
        self._sendfile: Callable[[int, int, int, int], int] = os.sendfile
        self._until_resident = io.files.until_resident

    @types.coroutine
    def recv(self) -> Generator[Waiter, None, bytes]:
        reader = self.reader
        if not reader.hints:
            yield reader
        while True:
            try:
                data = self._recv(RECV_BYTES)
            except BlockingIOError:
                reader.hints = 0
                yield reader
            except OSError as error:
                raise peer_gone(error) from error
            else:
                break
        if len(data) == RECV_BYTES:
            reader.hints = reader.hints or 1
        elif not data:
            reader.hints = ENDED  # an edge or a signal tells of the end only once
        elif reader.hints:
            reader.hints -= 1
        return data

    @types.coroutine
    def send(self, *buffers: bytes) -> Generator[Waiter, None, None]:
        # Joining costs less than sendmsg(2) as long as the parts are small, and they are.
        data = buffers[0] if len(buffers) == 1 else b"".join(buffers)
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.unsent = len(data)
            raise peer_gone(error) from error
        if sent < len(data):
            yield from self._send_rest(memoryview(data)[sent:])

    def _send_rest(self, rest: memoryview, following: int = 0) -> Generator[Waiter, None, None]:
        """`following`: bytes that are to be sent after these, by the same operation."""
        self.progressed()
        while rest:
            self.unsent = len(rest) + following
            yield self._io.writer_of(self)
            try:
                rest = rest[self._send(rest) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise peer_gone(error) from error
            self.progressed()
        self.unsent = following

    @types.coroutine
    def send_file(
        self, head: bytes, file: File, offset: int, count: int
    ) -> Generator[Waiter, None, None]:
        yield from self._send_head(head, count)
        end = offset + count
        while offset < end:
            self.unsent = end - offset
            size = min(end - offset, SEND_FILE_BYTES)
            yield from self._until_resident(file, offset, size)
            try:
                sent = self._sendfile(self.fd, file.fd, offset, size)
            except BlockingIOError:
                yield self._io.writer_of(self)
                continue
            except OSError as error:
                raise peer_gone(error) from error
            if sent == 0:
                raise FileShrank(f"{end - offset} bytes are missing")
            offset += sent
            self.progressed()
        self.unsent = 0

    def _send_head(self, head: bytes, following: int) -> Generator[Waiter, None, None]:
        try:
            sent = self._send(head, socket.MSG_MORE)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.unsent = len(head) + following
            raise peer_gone(error) from error
        if sent < len(head):
            yield from self._send_rest(memoryview(head)[sent:], following)

    @types.coroutine
    def read_file(self, file: File, offset: int, count: int) -> Generator[Waiter, None, bytes]:
        return (yield from self._io.files.read(file, offset, count))

    def waiters(self) -> tuple[Waiter, ...]:
        """Where coroutines may be parked on this connection."""
        return self.reader, self.writer

    async def close(self) -> None:
        self._io.forget(self)
        self.sock.close()

    def observe(self, tell: Tell) -> None:
        super().observe(tell)
        self._recv = timed(self._recv, "recvfrom", tell)
        self._send = timed(self._send, "sendto", tell)
        self._sendfile = timed(self._sendfile, "sendfile64", tell)
        self._until_resident = awaited(self._until_resident, "pages", tell)


class ReadyListener(Listener):
    """A listening socket of a model that waits until accepting is worth trying."""

    def __init__(self, io: Readiness, sock: socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.reader = Waiter(hints=1)
        self.writer = Waiter()
        self._io = io
        self._accept = sock.accept

    @types.coroutine
    def accept(self) -> Generator[Waiter, None, list[socket.socket]]:
        reader = self.reader
        if not reader.hints:
            yield reader
        most = self._io.accept_batch
        while True:
            accepted = accept_batch(self._accept, most)
            # A full batch leaves the rest in the queue: no new event will tell of it.
            reader.hints = 1 if len(accepted) == most else 0
            if accepted:
                return accepted
            yield reader

    def close(self) -> list[socket.socket]:
        self._io.forget(self)
        return accept_batch(self._accept)


def accept_batch(accept: Accept, most: int = DRAIN_ALL) -> list[socket.socket]:
    """Accept what is waiting, at most a batch; the listener must be non-blocking.

    Raises OSError only if nothing could be accepted (EMFILE and its like).
    """
    accepted: list[socket.socket] = []
    while len(accepted) < most:
        try:
            sock, _ = accept()
        except BlockingIOError:
            break
        except ConnectionAbortedError:
            continue  # the client was gone before we looked (accept(2), ECONNABORTED)
        except OSError:
            if accepted:
                break
            raise
        accepted.append(sock)
    return accepted
