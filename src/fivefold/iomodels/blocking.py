"""Blocking I/O: the call waits.

Facts.        A call on a blocking socket returns once it has moved some bytes, met the
              end of the stream, or failed; meanwhile the thread sleeps in the kernel
              (recv(2), send(2)).  SO_RCVTIMEO and SO_SNDTIMEO end that sleep with
              EAGAIN (socket(7)); they hold for accept(2) too.  Python's own
              `settimeout` makes the socket non-blocking and adds a poll(2) per call.
Consequence.  One thread waits for one operation at a time, and only the kernel, or a
              shutdown(2) by another thread, ends the wait.
Choice.       The sockets stay blocking, with a kernel timeout of one tick, so that a
              deadline or a request to stop is noticed.  A coroutine that yields has met
              that timeout: it is resumed at once, unless its deadline has passed.  A
              receive looks at its deadline before the call, too: bytes that keep arriving
              end the call before any timeout.
              `spawn` runs a task to its end: where the same thread accepts, that is an
              iterative server (UNP 1.5); it lets an idle client go when another waits.
Cost.         A silent peer stops every other connection of its thread
              (`traits.overlaps` is False; serving models look at it).  An idle thread
              wakes once a tick.
"""

from __future__ import annotations

import select
import socket
import struct
import time
import types
from collections.abc import Generator
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from ..errors import DeadlineExceeded
from .files import FileAccess, ReadInPlace
from .interface import IOModel, Listener, Task, Traits, Waiter
from .outcome import ended_badly
from .readiness.connection import RECV_BYTES, ReadyConnection
from .readiness.listener import accept_batch
from .readiness.source import Source

ITERATIVE_TICK_S = 0.02
"""How often an iterative server looks whether another client waits while one is idle."""

ITERATIVE_FIRST_S = 1.0
"""How long a new client may take for its first byte while others wait."""


class Blocking(IOModel):
    """One thread, one operation at a time."""

    name = "blocking"
    engine = "blocking"
    traits = Traits(
        overlaps=False,
        waits_in="the call itself: recv(2), send(2), accept(2)",
        wait="asleep in {call}",
        disk_wait="asleep in {call}, for the disk",
        files="read and sendfile in place",
        limit="one connection per thread",
        takes_turns=True,
    )

    @classmethod
    def available(cls) -> str | None:
        return None

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1) -> None:
        super().__init__(tick_s=tick_s, connections=connections)
        self.files: FileAccess = ReadInPlace()
        self.accept_batch = 1
        self._tick_s = tick_s
        self._connections: dict[Waiter, BlockingConnection] = {}
        self._others = select.poll()  # the listeners: is another client waiting?
        self._wake_called = False
        self._bell: SimpleQueue[None] = SimpleQueue()
        """Ends a sleep that is not in a call."""

    def connection(self, sock: socket.socket) -> BlockingConnection:
        make_blocking(sock, self._tick_s)
        connection = BlockingConnection(self, sock)
        self._connections[connection.reader] = connection
        self._connections[connection.writer] = connection
        return connection

    def listener(self, sock: socket.socket) -> BlockingListener:
        make_blocking(sock, self._tick_s)
        self._others.register(sock, select.POLLIN)
        # From now on this thread accepts and serves, one client at a time.
        self._tick_s = min(self._tick_s, ITERATIVE_TICK_S)
        return BlockingListener(self, sock)

    def ignore(self, listener: socket.socket) -> None:
        """Nobody waits there any more: it will be closed."""
        self._others.unregister(listener)

    def forget(self, watched: Source) -> None:
        self._connections.pop(watched.reader, None)
        self._connections.pop(watched.writer, None)

    def writer_of(self, connection: Source) -> Waiter:
        return connection.writer

    def run(self, main: Task) -> Any:
        try:
            parked = main.send(None)
            while True:
                # Whatever it waited in ended after a tick or at a wake-up: here is often enough.
                self._ticked()
                connection = self._connections.get(parked)
                if connection is None:
                    self._sleep_until_woken(parked)
                elif self._is_over(connection, monotonic()):
                    parked = main.throw(DeadlineExceeded())
                    continue
                parked = main.send(None)
        except StopIteration as finished:
            return finished.value

    def _is_over(self, connection: BlockingConnection, now: float) -> bool:
        """Whether a client has had its time: its deadline, or, idle, another client's turn."""
        if connection.is_late(now):
            return True
        if self._wake_called and connection.idle and not connection.closing:
            return True  # the caller of `wake` waits behind this client
        in_the_way = connection.idle and (not connection.new or now >= connection.hurry_at)
        return in_the_way and bool(self._others.poll(0))

    def spawn(self, task: Task) -> None:
        try:
            self.run(task)
        except BaseException as error:  # noqa: BLE001 - one coroutine's trouble is not the others'
            ended_badly(error)

    def resume(self, waiter: Waiter) -> None:
        waiter.hints += 1

    def resume_threadsafe(self, waiter: Waiter) -> None:
        waiter.hints += 1
        self._bell.put(None)

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - blocking is what this model does

    def next_turn(self) -> Waiter:
        return Waiter(hints=1)  # there are no others

    def after_pause(self, seconds: float) -> Waiter:
        time.sleep(seconds)
        return Waiter(hints=1)

    def _sleep_until_woken(self, waiter: Waiter) -> None:
        while not self._bell.empty():
            self._bell.get()  # of what is looked at now
        while not (self._wake_called or waiter.hints):
            try:
                self._bell.get(timeout=self._tick_s)
            except Empty:
                self._ticked()
        if waiter.hints:
            waiter.hints = 0
        else:
            self._wake_called = False

    def tick(self) -> None:
        """Called by a listener, whose waits no coroutine sees."""
        self._ticked()

    def wake(self) -> None:
        self._wake_called = True
        self._bell.put(None)

    @property
    def wake_fd(self) -> int:
        return -1

    def close(self) -> None:
        """Nothing to release: no descriptor, no thread."""


class BlockingConnection(ReadyConnection):
    """A connection whose calls are tried at once: they wait themselves."""

    def __init__(self, io: Blocking, sock: socket.socket) -> None:
        super().__init__(io, sock)
        self.writer = Waiter()  # its own: it is found by what it waits in
        self.hurry_at = monotonic() + ITERATIVE_FIRST_S

    @types.coroutine
    def recv(self) -> Generator[Waiter, None, bytes]:
        while True:
            # The call returns with the first byte, so `run` never sees a client that drips.
            if monotonic() >= self.deadline:
                raise DeadlineExceeded
            try:
                data = self._recv(RECV_BYTES)
            except OSError as error:
                waiter = self._pause(error)
            else:
                if data is not None:
                    return data
                waiter = self.reader  # a tick has passed
            yield waiter


def make_blocking(sock: socket.socket, tick_s: float) -> None:
    # First: with a timeout of Python's the descriptor has O_NONBLOCK, and the kernel's means
    # nothing.
    sock.setblocking(True)
    timeval = struct.pack("ll", int(tick_s), int(tick_s % 1 * 1e6))
    for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, direction, timeval)


class BlockingListener(Listener):
    """accept(2) that sleeps in the call, one connection at a time."""

    def __init__(self, io: Blocking, sock: socket.socket) -> None:
        self.sock = sock
        self._io = io

    async def accept(self) -> list[socket.socket]:
        self._io.tick()
        return accept_batch(self.sock.accept, 1)[0]  # none once a tick has passed

    def leave(self) -> list[socket.socket]:
        return []

    def close(self) -> list[socket.socket]:
        # O_NONBLOCK would be there for others that share the listener, too: a successor's accept
        # would no longer wait.  So we ask first; if another takes it meanwhile, a tick passes.
        waiting = select.poll()
        waiting.register(self.sock, select.POLLIN)
        accepted: list[socket.socket] = []
        while waiting.poll(0):
            try:
                accepted += accept_batch(self.sock.accept, 1)[0]
            except OSError:
                break  # out of descriptors: the others stay in the kernel's queue
        self._io.ignore(self.sock)
        return accepted
