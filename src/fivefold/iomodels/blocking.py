"""Blocking I/O: the call waits.

Facts.        A call on a blocking socket returns once it has moved some bytes, met the
              end of the stream, or failed; meanwhile the thread sleeps in the kernel
              (recv(2), send(2)).  SO_RCVTIMEO and SO_SNDTIMEO end that sleep with
              EAGAIN (socket(7)); they hold for accept(2) too.  Python's own
              `settimeout` makes the socket non-blocking and adds a poll(2) per call.
Consequence.  One thread waits for one operation at a time, and only the kernel, or a
              shutdown(2) by somebody else, ends the wait.
Choice.       The sockets stay blocking, with a kernel timeout of one tick, so that a
              deadline or a request to stop is noticed.  A coroutine that yields has met
              that timeout: it is resumed at once, unless its deadline has passed.
              `spawn` runs a task to its end: an iterative server (UNP 1.5).
Cost.         A silent peer stops every other connection of its thread
              (`traits.overlaps` is False; serving models look at it).  An idle thread
              wakes once a tick.
"""

from __future__ import annotations

import socket
import struct
import time
from time import monotonic
from typing import Any

from ..errors import DeadlineExceeded
from .base import IOModel, Listener, Task, Traits, Waiter
from .files import FileAccess, InPlace
from .readiness import ReadyConnection, ReadyListener, accept_batch


class Blocking(IOModel):
    """One thread, one operation at a time."""

    name = "blocking"
    engine = "blocking"
    traits = Traits(
        overlaps=False,
        waits_in="the call itself: recv(2), send(2), accept(2)",
        files="read and sendfile in place",
        limit="one connection per thread",
    )

    @classmethod
    def available(cls) -> str | None:
        return None

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1) -> None:
        self.woken = Waiter()
        self.files: FileAccess = InPlace()
        self._tick_s = tick_s
        self._timeout = struct.pack("ll", int(tick_s), int(tick_s % 1 * 1e6))  # struct timeval
        self._connections: dict[Waiter, ReadyConnection] = {}
        self._wake_called = False

    def connection(self, sock: socket.socket) -> ReadyConnection:
        self._make_blocking(sock)
        connection = ReadyConnection(self, sock)
        self._connections[connection.reader] = connection
        self._connections[connection.writer] = connection
        return connection

    def listener(self, sock: socket.socket) -> BlockingListener:
        self._make_blocking(sock)
        return BlockingListener(sock)

    def _make_blocking(self, sock: socket.socket) -> None:
        sock.setblocking(True)
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, direction, self._timeout)

    def forget(self, watched: ReadyConnection | ReadyListener) -> None:
        self._connections.pop(watched.reader, None)
        self._connections.pop(watched.writer, None)

    def writer_of(self, connection: ReadyConnection) -> Waiter:
        return connection.writer

    def run(self, main: Task) -> Any:
        try:
            parked = main.send(None)
            while True:
                connection = self._connections.get(parked)
                if connection is None:
                    self._sleep_until_woken(parked)
                elif connection.deadline <= monotonic():
                    parked = main.throw(DeadlineExceeded())
                    continue
                parked = main.send(None)
        except StopIteration as finished:
            return finished.value

    def spawn(self, task: Task) -> None:
        self.run(task)

    def resume(self, waiter: Waiter) -> None:
        waiter.hints += 1

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - blocking is what this model does

    def _sleep_until_woken(self, waiter: Waiter) -> None:
        while not (self._wake_called or waiter.hints):
            time.sleep(self._tick_s)
        self._wake_called = False

    def wake(self) -> None:
        self._wake_called = True

    @property
    def wake_fd(self) -> int:
        return -1

    def close(self) -> None:
        """Nothing to release: no descriptor, no thread."""


class BlockingListener(Listener):
    """accept(2) that sleeps in the call, one connection at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    async def accept(self) -> list[socket.socket]:
        try:
            return [self.sock.accept()[0]]
        except (BlockingIOError, ConnectionAbortedError):
            return []  # a tick passed, or the client was gone before we looked

    def close(self) -> list[socket.socket]:
        self.sock.setblocking(False)
        return accept_batch(self.sock.accept)
