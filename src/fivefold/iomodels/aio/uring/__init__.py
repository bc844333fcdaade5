"""io_uring: operations are handed over in one queue, results come back in another.

Facts.        io_uring_enter(2) submits any number of operations and waits, in one call.
              A multishot receive or accept is submitted once and completes again and
              again; the kernel takes a buffer from a ring of ours when data is there.
              An operation belongs to the kernel until its completion, buffer included:
              close(2) does not end a pending receive, which then writes into whatever
              the buffer has become.  A thread of the kernel that polls the queue (SQPOLL)
              would save the call, but burns a core and keeps the rights of the moment it
              was made: one made by root opened root's files after setuid.
Consequence.  The system calls can be one per turn instead of two per request, and from
              Python that is where the gain must come from: preparing and collecting one
              operation costs about as much as a plain call.
Choice.       One io_uring_enter per turn, multishot wherever the kernel has it, no
              SQPOLL.  Completions are made only inside our own call (DEFER_TASKRUN).
              A send is tried once, in that call; one that succeeds whole leaves no
              completion (CQE_SKIP_SUCCESS), since after the call it is certain either
              way: `send` of up to `SILENT_BYTES` returns before it, and a failure is
              raised by the connection's next operation.  Where a coroutine may take long
              (`pace`) everything is submitted before the next one goes on, and an answer
              as soon as it is there.  User data carry a number that
              is never used twice, so no late completion can meet another connection.
Cost.         Each received piece is copied once more, out of the ring's buffer.  A turn
              costs 2 us more than epoll's, so a thread with a single connection is better
              off elsewhere; with 64 busy ones the two are even.  Ring and buffers map
              2.5 MiB for 1024 connections, of which 0.2 MiB are resident at first, and
              72 KiB (17 resident) for one.
"""

from __future__ import annotations

import os
import stat
from errno import EPERM
from socket import socket

from ...interface import Traits
from ...wakeup import WakePipe
from . import setup
from .connection import UringConnection
from .files import FileReads
from .listener import UringListener
from .polls import ForeignPoll, WakePoll
from .ring_scheduler import RingScheduler
from .setup import Features


class Uring(RingScheduler):
    """One ring, for the thread that makes it."""

    name = "aio"
    engine = "uring"
    traits = Traits(
        overlaps=True,
        waits_in="io_uring_enter(2)",
        wait="in the ring, asleep in io_uring_enter",
        disk_wait="a read is in the ring",
        files="read through the ring",
        own_descriptors=3,
    )

    @classmethod
    def available(cls) -> str | None:
        return setup.refusal()

    def __init__(
        self, *, tick_s: float = 1.0, connections: int = 1024, features: Features | None = None
    ) -> None:
        """`features`: what to use of what the kernel has; None for all of it."""
        super().__init__(tick_s=tick_s, connections=connections, features=features)
        self._files = FileReads(self)
        self._polls: dict[int, ForeignPoll] = {}
        self._pipe = WakePipe()
        self.start(self._attend(self._pipe))
        WakePoll(self, self._pipe)

    def connection(self, sock: socket) -> UringConnection:
        # io_uring waits by itself; before 6.x it refused to for a non-blocking descriptor.
        sock.setblocking(True)
        connection = UringConnection(self, sock, self._files)
        self._connections[connection.number] = connection
        return connection

    def listener(self, sock: socket) -> UringListener:
        sock.setblocking(True)
        return UringListener(self, sock)

    def _watch_foreign(self, fd: int, events: int) -> None:
        self._drop_poll(fd)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            raise PermissionError(EPERM, os.strerror(EPERM))  # always ready: epoll's answer

    def _unwatch_foreign(self, fd: int) -> None:
        self._drop_poll(fd)

    def rearm(self, fd: int) -> None:
        if fd not in self._polls:
            self._polls[fd] = ForeignPoll(self, fd, self._foreign[fd], self._polled)

    def _polled(self, poll: ForeignPoll) -> None:
        """It completed; or it was dropped, and is none of the descriptor's any more."""
        if self._polls.get(poll.fd) is poll:
            del self._polls[poll.fd]
            self.maybe_ready.add(poll.fd)

    def _drop_poll(self, fd: int) -> None:
        """Cancel now: the open file shall be over when its owner closes it."""
        poll = self._polls.pop(fd, None)
        if poll is not None:
            self.cancel(poll.user_data)
            self.enter(0, 0.0)

    def close(self) -> None:
        if self.ring.fd < 0:
            return
        self.ending = True
        if self._owner[0] == os.getpid():  # a forked child must leave the parent's operations alone
            self.flush()
            super().close()
            self._end_operations()
        self.ring.close()
        if self.buffers is not None:
            self.buffers.close()
        self._pipe.close()
