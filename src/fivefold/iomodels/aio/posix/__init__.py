"""aio by glibc: POSIX aio_read and aio_write, also on sockets.

Facts.        glibc gives each operation to a thread, which makes the blocking call
              (aio(7)).  Operations on one descriptor number are done one after the
              other.  A running one cannot be cancelled, but shutdown(2) ends it.
              aio_suspend(3) waits for many; per block it looks up the descriptor in a
              list of all that have work, so it costs by the square of their number:
              8 us of processor time for 64 idle connections, 33 for 256, 172 for 500.
Consequence.  A connection that waits keeps a thread, and a read keeps all writes of its
              descriptor waiting.  More connections than threads would stop everything,
              without an error.
Choice.       Each connection writes through a dup(2) of its socket, has at most one
              operation a direction, and reserves a thread for both (`pool`): nothing
              ever waits for a thread.  One aio_suspend for all; a read of the wake-up
              pipe is among what it waits for.  The alternative, a signal per completion
              (SIGEV_SIGNAL), is dearer with 64 connections (68 us a read against 54)
              and cheaper with 256 (73 against 84), but goes to the process: a thread
              would take the completions of the others.
              Files: aio_read straight behind the head in one buffer, one aio_write.
Cost.         Two thread switches per operation, and a pread(2) that fails before each
              read(2) of a socket: about ten times the processor time of epoll for a
              small request.  This engine shows the model; `uring` is the one to use.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket

from ....errors import LimitReached
from ....linux import posix_aio
from ...interface import Traits
from ...readiness.listener import ReadyListener
from ...readiness.source import Source
from ...readiness.waiting_thread import ReadinessThread
from ...scheduler import Scheduler
from ...wakeup import DRAIN_BYTES, WakePipe
from . import pool
from .connection import Call, Operation, PosixConnection

MAX_CONNECTIONS = 256
"""Per instance: beyond, aio_suspend takes longer than everything else together."""

THREADS_EACH = 2
"""What a connection may keep waiting: a read that outlived its deadline, and a write."""


class Posix(Scheduler):
    """Whole operations, done by glibc's pool."""

    name = "aio"
    engine = "posix"
    traits = Traits(
        overlaps=True,
        waits_in="aio_suspend(3)",
        wait="a helper thread waits in {call}",
        disk_wait="a helper thread reads",
        files="aio_read(3)",
        limit=f"{MAX_CONNECTIONS} connections, {pool.AIO_THREADS} threads in the process "
        "(each waiting operation keeps one)",
        descriptors=2,
        own_descriptors=2,
        max_connections=MAX_CONNECTIONS,
    )

    @classmethod
    def available(cls) -> str | None:
        try:
            return pool.why_not()
        except OSError as error:
            return str(error)

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        pool.pool.enter()
        pool.pool.take(1)
        super().__init__(tick_s=tick_s, connections=connections)
        self._in_flight: posix_aio.WaitList[Operation] = posix_aio.WaitList()
        self._listeners: dict[int, ReadyListener] = {}
        self._operations = self._suspends = 0
        self._owner = os.getpid()
        self._pipe = WakePipe()
        self._helper = ReadinessThread(self.wake)
        os.set_blocking(self._pipe.fd, True)  # a thread of glibc shall sleep in the read
        _alive.add(self)
        self.start(self._hear_wakes())

    def connection(self, sock: socket.socket) -> PosixConnection:
        if len(self._connections) >= MAX_CONNECTIONS:
            raise LimitReached(
                f"aio:posix serves {MAX_CONNECTIONS} connections per thread, and all of them are"
                " taken; take --io aio:uring or lower --max-connections"
            )
        pool.pool.take(THREADS_EACH)
        try:
            connection = PosixConnection(self, sock)
        except OSError:
            pool.pool.give_back(THREADS_EACH)
            raise
        self._connections[connection.fd] = connection
        return connection

    def listener(self, sock: socket.socket) -> ReadyListener:
        sock.setblocking(False)
        listener = ReadyListener(self, sock)
        self._helper.add(listener.fd)
        self._listeners[listener.fd] = listener
        return listener

    def forget(self, watched: Source) -> None:
        if self._listeners.pop(watched.fd, None) is not None:
            self._helper.discard(watched.fd)
        else:
            del self._connections[watched.fd]
            pool.pool.give_back(THREADS_EACH)

    def begin(self, call: Call, operation: Operation) -> None:
        """Hand it over. Raises `LimitReached` where glibc cannot even start one thread."""
        try:
            call(operation)
        except BlockingIOError as error:
            raise LimitReached("glibc cannot start a thread for aio") from error
        operation.in_flight = True
        self._in_flight.add(operation)
        self._operations += 1

    def _wait(self, timeout_s: float) -> None:
        # What completes between this look and the call ends the call at once (aio_suspend(3)).
        done = self._collect()
        if not done and timeout_s > 0:
            self._suspends += 1
            self._in_flight.suspend(timeout_s)
            done = self._collect()
        for operation in done:
            self.go_on(operation.waiter)

    def _collect(self) -> list[Operation]:
        """Take out what is done; its buffers are ours again."""
        running = errno.EINPROGRESS
        # The field is glibc's own, and says EINPROGRESS until the operation is over: reading it
        # spares most of the calls of aio_error(3).
        done = [o for o in self._in_flight.blocks if o.error != running and posix_aio.is_done(o)]
        for operation in done:
            self._in_flight.remove(operation)
            operation.completed()
        return done

    def _watch_foreign(self, fd: int, events: int) -> None:
        if fd not in self._foreign:
            self._helper.add(fd)

    def _unwatch_foreign(self, fd: int) -> None:
        self._helper.discard(fd)

    def _on_wake(self) -> None:
        while self._helper.noticed:
            fd = self._helper.noticed.popleft()
            listener = self._listeners.get(fd)
            if listener is None:
                self._note(fd)
            else:
                listener.reader.hints = 1
                self.resume(listener.reader)
        super()._on_wake()

    async def _hear_wakes(self) -> None:
        buffer = ctypes.create_string_buffer(DRAIN_BYTES)
        hearing = Operation(self._pipe.reader)
        hearing.over(self._pipe.fd, ctypes.addressof(buffer), DRAIN_BYTES, buffer)
        while True:
            self.begin(posix_aio.read, hearing)
            while hearing.in_flight:
                await hearing.waiter
            self._on_wake()

    def close(self) -> None:
        self._helper.close()
        if self._owner != os.getpid():
            super().close()  # a forked child: glibc's threads, and what they do, are its parent's
            self._pipe.close()
            return
        self._end_all()  # so that a connection's close, run by the next line, need not wait
        super().close()
        self._end_all()
        for connection in list(self._connections.values()):
            assert isinstance(connection, PosixConnection)
            connection.release()
        pool.pool.give_back(1)
        self._pipe.close()
        _alive.discard(self)

    def _end_all(self) -> None:
        """Until glibc holds no block and no buffer of ours."""
        self.wake()
        for connection in self._connections.values():
            # shutdown(2) ends what a thread of glibc sleeps in; aio_cancel(3) leaves a running one
            # alone.
            connection.abort()
        while self._in_flight.blocks:
            self._in_flight.suspend(self._tick_s)
            self._collect()

    def statistics(self) -> dict[str, int]:
        return {
            "operations": self._operations,
            "suspends": self._suspends,
            "threads": pool.AIO_THREADS,
        }


_alive: set[Posix] = set()
"""A model that is dropped without `close` must not free what glibc's threads write to."""
