"""Accepting through the ring."""

from __future__ import annotations

import os
import resource
import struct
import types
from collections.abc import Generator
from errno import EAGAIN, ECANCELED, EINTR
from socket import SO_RCVTIMEO, SOCK_CLOEXEC, SOL_SOCKET, socket

from ....linux.io_uring import abi
from ...interface import Listener, Waiter
from ...readiness.listener import GONE_IN_A_ROW, LONGEST_QUEUE, OF_ONE, accept_all
from ...scheduler import ACCEPT_BATCH
from .operations import OTHER, Target
from .ring_scheduler import RingScheduler

AGAIN = {EAGAIN, ECANCELED, EINTR} | OF_ONE
"""An accept that ended so is simply submitted again."""

CLOSING_TIMEVAL = struct.pack("ll", 0, 1000)
"""A millisecond: the last accept of a blocking listener that is closed ends with EAGAIN."""


class UringListener(Listener, Target):
    """A listening socket: one multishot accept, or one accept at a time."""

    def __init__(self, io: RingScheduler, sock: socket) -> None:
        self.sock = sock
        self.reader = Waiter()
        self.armed = False
        self.number = io.register(self)
        self.user_data = self.number << 2 | OTHER
        self._io = io
        # A multishot accept empties the kernel's queue at one go, wanted or not.
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        room = soft - io.expected >= LONGEST_QUEUE
        ioprio = abi.ACCEPT_MULTISHOT if io.features.multishot_accept and room else 0
        self._word = abi.sqe_word(abi.OP_ACCEPT, sock.fileno(), ioprio=ioprio)
        self._queue: list[socket] = []
        # If none takes them, the rest shall wait in the kernel, where other workers may see it.
        self._enough = min(ACCEPT_BATCH, io.expected)
        # Others may look into our queue without waiting (`serving/stealing`).  Kernels before
        # multishot accept would refuse ours at once instead of waiting, too.
        sock.setblocking(not io.features.multishot_accept)
        self._error = self._gone = 0
        self._cancelled = self._closed = False

    @types.coroutine
    def accept(self) -> Generator[Waiter, None, list[socket]]:
        while not self._queue:
            if self._error:
                number, self._error = self._error, 0
                raise OSError(number, f"accept: {os.strerror(number)}")
            if not self.armed:
                self._arm()
            yield self.reader
        accepted, self._queue = self._queue, []
        return accepted

    def _arm(self) -> None:
        self.armed = True
        self._io.ring.push(self._word, self.user_data, flags=SOCK_CLOEXEC)

    def _cancel(self) -> None:
        if self.armed and not self._cancelled:
            self._cancelled = True
            self._io.cancel(self.user_data)

    def completed(self, kind: int, result: int, flags: int) -> None:
        if not flags & abi.CQE_MORE:
            self.armed = self._cancelled = False
        self._gone = self._gone + 1 if -result in OF_ONE else 0
        if result >= 0:
            self._take(result)
        elif -result not in AGAIN or self._gone >= GONE_IN_A_ROW:
            self._error, self._gone = -result, 0
        if self._closed:
            return
        if self._queue or self._error:
            self._io.go_on(self.reader)
        elif self.reader.task is not None and not self.armed:
            self._arm()

    def _take(self, fd: int) -> None:
        sock = self.sock
        self._queue.append(socket(sock.family, sock.type, sock.proto, fileno=fd))
        if len(self._queue) >= self._enough and self.reader.task is None:
            self._cancel()

    def leave(self) -> list[socket]:
        if self._closed:
            return []
        self._closed = True
        self._cancel()
        if self.armed:
            self._io.collect(self)
        self._io.targets.pop(self.number, None)
        return self._queue

    def close(self) -> list[socket]:
        if self._closed:
            return []
        taken = self.leave()
        if self.sock.getblocking():
            # With O_NONBLOCK the rings that share the listener would spin; a time limit
            # does not concern them.
            self.sock.setsockopt(SOL_SOCKET, SO_RCVTIMEO, CLOSING_TIMEVAL)
        return taken + accept_all(self.sock.accept)

    def pending(self) -> list[int]:
        return [self.user_data] if self.armed else []

    def waiters(self) -> list[Waiter]:
        return [self.reader]
