"""One client: a connection that never blocks, a request, an answer that is checked.

What a client does next is its kind's business (`client_kinds.py`).  One clock reading per
answer: the end of one request is the beginning of the next.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from errno import ECONNREFUSED, EINPROGRESS
from select import EPOLLIN, EPOLLOUT
from time import monotonic_ns
from typing import ClassVar

from .answers import Finished, Reader
from .client_loop import ClientLoop
from .job import Ask, Group

CONNECT, RESET = "connect", "reset"
"""Kinds of errors besides those of `answers`."""

AGAIN_NS = 20_000_000
"""How long after a broken connection its client comes again."""


def kind_of(error: OSError) -> str:
    return CONNECT if error.errno == ECONNREFUSED else RESET


class Client:
    """Closed loop: the next request when the answer is there, on the same connection.

    The other kinds derive from it.
    """

    keeps: ClassVar[bool] = True
    """Whether it asks for its connection to be kept."""

    def __init__(self, loop: ClientLoop, group: Group, number: int) -> None:
        self.loop, self.group, self.tally = loop, group, loop.tally
        self.known = loop.known
        self.asks: Iterator[Ask] = itertools.islice(
            itertools.cycle(group.asks), number % len(group.asks), None
        )
        self.reader = Reader(loop.known, keeps=self.keeps)
        self.sock: socket.socket | None = None
        self.fd = -1
        self.ask: Ask | None = None
        """What is being asked; None between two requests."""
        self.usual: bytes | None = None
        """The answer that would be byte by byte the last one."""
        self.due = 0
        self.unsent = memoryview(b"")
        self.begun = False
        """Whether a part of the answer has come already."""
        self.served = False

    def start(self) -> None:
        """The run begins, or the connection is a new one."""
        self.begin(monotonic_ns())

    def answered(self, now: int) -> None:
        """An answer is complete; the connection is open or, if it was not kept, closed."""
        self.begin(now)

    def broken(self) -> None:
        """The connection is gone. Ask anew."""
        self.connect()
        self.start()

    def connect(self) -> None:
        """Begin to connect; the request may be sent at once, the kernel refuses if too early."""
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.fd = sock, sock.fileno()
        problem = sock.connect_ex(self.loop.address)
        if problem not in (0, EINPROGRESS):
            self.fail(CONNECT)
            return
        self.loop.watch(self.fd, self.ready, EPOLLIN)
        self.tally.connected += 1

    def begin(self, due: int) -> None:
        """Ask; the latency counts from `due`, when it should have begun."""
        ask = next(self.asks)
        self.ask, self.due, self.begun = ask, due, False
        self.usual = self.known.get(ask)
        if self.sock is None:
            self.connect()
        if self.sock is None:
            return
        try:
            sent = self.sock.send(ask.data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self.fail(kind_of(error))
            return
        if sent < len(ask.data):
            self.unsent = memoryview(ask.data)[sent:]
            self.loop.change(self.fd, EPOLLIN | EPOLLOUT)

    def ready(self, events: int) -> None:
        """The kernel has something for us."""
        if events & EPOLLOUT:
            self.write()
        if events & ~EPOLLOUT and self.sock is not None:
            self.read()

    def write(self) -> None:
        assert self.sock is not None
        try:
            self.unsent = self.unsent[self.sock.send(self.unsent) :] if self.unsent else self.unsent
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(kind_of(error))
            return
        if not self.unsent:
            self.loop.change(self.fd, EPOLLIN)

    def read(self) -> None:
        assert self.sock is not None
        buffer = self.loop.buffer
        try:
            count = self.sock.recv_into(buffer)
        except BlockingIOError:
            return
        except OSError as error:
            self.fail(kind_of(error))
            return
        usual = self.usual
        if count and usual and count == len(usual) and buffer.startswith(usual) and not self.begun:
            if not self.keeps:
                self.drop()
            self.right(count)
            return
        self.digest(count)

    def right(self, count: int) -> None:
        """The usual answer, whole."""
        now = monotonic_ns()
        self.tally.received_bytes += count
        self.ask = None
        self.served = True
        if self.group.counted:
            self.tally.latencies.record(now - self.due)
        self.answered(now)

    def digest(self, count: int) -> None:
        """Part of an answer, an unusual one, or the end of the connection."""
        if self.ask is None:
            self.drop()
            self.broken()
            return
        if not self.begun:
            self.begun = True
            self.reader.begin(self.ask)
        finished = self.reader.feed(self.loop.view[:count]) if count else self.reader.end()
        if finished is not None:
            self.finish(finished, count)
        elif not count:
            self.fail(RESET)
        else:
            self.tally.received_bytes += count

    def finish(self, finished: Finished, count: int) -> None:
        if not (finished.keep and self.keeps):
            self.drop()
        if finished.wrong is None:
            self.right(count)
            return
        self.tally.errors[finished.wrong] += 1
        self.ask = None
        self.served = True
        self.answered(monotonic_ns())

    def fail(self, kind: str) -> None:
        """The connection could not be had, or ended too early."""
        asked, self.ask = self.ask is not None, None
        self.drop()
        if kind == CONNECT or not asked:
            self.tally.errors[kind] += 1
        elif self.group.counted:
            self.tally.lost += 1
        self.loop.at(monotonic_ns() + AGAIN_NS, lambda _: self.broken())

    def drop(self) -> None:
        if self.sock is not None:
            self.loop.forget(self.fd)
            self.sock.close()
            self.sock = None
            self.unsent = memoryview(b"")
