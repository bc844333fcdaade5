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
import threading
from collections.abc import Iterator
from errno import EEXIST, EPERM
from itertools import chain
from socket import socket
from time import monotonic
from typing import Any

from ....linux.io_uring import abi
from ...base import Connection, Task, Traits, Waiter
from ...outcome import ended_badly
from ...scheduler import Scheduler
from ...wakeup import WakePipe
from . import setup
from .connection import UringConnection
from .files import FileReads
from .listener import UringListener
from .operations import OTHER, RECEIVE, Target, WakePoll, abandon
from .polls import ForeignPoll
from .sender import SilentSends
from .setup import Features

SHIFT = setup.BUFFER_BYTES.bit_length() - 1

GOOD = abi.CQE_BUFFER | abi.CQE_MORE
"""A multishot receive that brought data and goes on."""

FOREIGN = (
    "this io_uring belongs to the thread that made it;"
    " make one I/O model per thread, in that thread and after any fork"
)

CLOSE_ROUNDS, CLOSE_ROUND_S = 50, 0.1
"""So often, and so long, `close` waits for the kernel to end what was cancelled."""

Batch = Iterator[tuple[int, int, int]]


class Uring(Scheduler):
    """One ring, for the thread that makes it."""

    name = "aio"
    engine = "uring"
    traits = Traits(
        overlaps=True,
        waits_in="io_uring_enter(2)",
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
        super().__init__(tick_s=tick_s, connections=connections)
        self.features = features if features is not None else setup.detected()
        self.ring, self.buffers = setup.make(self.features, connections)
        self._owner = os.getpid(), threading.get_ident()
        self.expected = connections
        self.targets: dict[int, Target] = {}
        self._number = 0
        self._batch: Batch | None = None
        self._postponed: list[tuple[int, int, int]] = []
        self._used: list[int] = []
        self.sends = SilentSends()
        self.files = FileReads(self)
        self.ending = False
        self.counts = {"rearmed": 0, "ran out of buffers": 0, "paused receives": 0}
        self._polls: dict[int, ForeignPoll] = {}
        self._pipe = WakePipe()
        self._step(self._attend(self._pipe))
        WakePoll(self, self._pipe)

    def connection(self, sock: socket) -> UringConnection:
        # io_uring waits by itself; before 6.x it refused to for a non-blocking descriptor.
        sock.setblocking(True)
        connection = UringConnection(self, sock)
        self._connections[connection.number] = connection
        return connection

    def listener(self, sock: socket) -> UringListener:
        sock.setblocking(True)
        return UringListener(self, sock)

    def register(self, target: Target) -> int:
        """A number for the user data of `target`, never used before."""
        self._number += 1
        self.targets[self._number] = target
        return self._number

    def forget(self, connection: UringConnection) -> None:
        self._connections.pop(connection.number, None)

    def _waiters(self, connection: Connection) -> tuple[Waiter, ...]:
        assert isinstance(connection, UringConnection)
        return connection.reader, connection.writer

    def go_on(self, waiter: Waiter) -> None:
        self._go_on(waiter)

    def _wait(self, timeout_s: float) -> None:
        sends = self.sends
        earlier = self._batch is not None or self._postponed
        if sends.queued:
            if not sends.cautious:
                sends.released(monotonic())
            sends.push(self.ring)
        if earlier or sends.unsettled:
            timeout_s = 0.0  # there is something; silent sends have no completion to wake us
        self._enter(1 if timeout_s > 0 else 0, timeout_s)
        batch = self.ring.completions()
        self._dispatch(chain(self._earlier(), batch) if earlier else batch)

    def _earlier(self) -> list[tuple[int, int, int]]:
        """The completions that were collected before and put off."""
        earlier, self._postponed = [*(self._batch or ()), *self._postponed], []
        self.sends.expect(earlier)
        return earlier

    def submit(self) -> None:
        """Submit whatever has been handed over, in the middle of a turn, without resuming anybody.

        What has completed is kept for the next turn.
        """
        sends, ring = self.sends, self.ring
        if sends.queued:
            if sends.flying:
                sends.expect(ring.latest())
                sends.land(ring)
            if not sends.cautious:
                sends.released(monotonic())
            sends.push(ring)
        self._enter(0, 0.0)
        fresh = list(ring.completions())
        self._postponed += fresh
        sends.expect(fresh)
        sends.land(ring)

    def _one_by_one(self, batch: Batch) -> Batch:
        """`batch`; between two of it everything is submitted that a coroutine has handed over."""
        sends, ring = self.sends, self.ring
        for completion in batch:
            sends.step_begins(monotonic())
            yield completion
            sends.step_ends(monotonic())
            if (sends.queued or ring.tail != ring.submitted) and not self.ending:
                self.submit()

    def _enter(self, at_least: int, timeout_s: float) -> None:
        try:
            self.ring.enter(at_least, timeout_s)
        except OSError as error:
            if error.errno == EEXIST:
                raise RuntimeError(FOREIGN) from error
            raise

    def _dispatch(self, batch: Batch) -> None:
        """Resume the coroutines that waited for these completions."""
        targets = self.targets
        used = self._used
        memory = self.buffers.memory if self.buffers else b""
        self._batch = batch
        if self.sends.cautious:
            batch = self._one_by_one(batch)
        for user_data, result, flags in batch:
            target = targets.get(user_data >> 2)
            if target is None:
                continue  # of a cancellation, mostly
            if user_data & 3 == RECEIVE and result > 0 and flags & GOOD == GOOD:
                # `received`, written out: this is what every small request passes.
                number = flags >> abi.CQE_BUFFER_SHIFT
                start = number << SHIFT
                data = memory[start : start + result]
                used.append(number)
                reader = target.reader
                task = reader.task
                if task is None:
                    target.keep(data)
                else:
                    reader.task = None
                    try:
                        task.send(data).task = task  # type: ignore[arg-type]
                    except StopIteration:
                        continue
                    except BaseException as error:  # noqa: BLE001 - as in `_step`
                        ended_badly(error)
                        continue
            else:
                target.completed(user_data & 3, result, flags)
        self._batch = None
        if used:
            assert self.buffers is not None
            self.buffers.give_back(used)
            used.clear()
        self.sends.settle(self.ring, self._postponed)

    def take(self, result: int, flags: int) -> bytes:
        """The data in the buffer that a completion names."""
        assert self.buffers is not None
        number = flags >> abi.CQE_BUFFER_SHIFT
        self._used.append(number)
        start = number << SHIFT
        return self.buffers.memory[start : start + max(result, 0)]

    def cancel(self, user_data: int) -> None:
        """End the operation with this user data; it completes with ECANCELED."""
        self.ring.push(abi.sqe_word(abi.OP_ASYNC_CANCEL, -1), OTHER, address=user_data)

    def _watch_foreign(self, fd: int, events: int) -> None:
        self._drop_poll(fd)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            raise PermissionError(EPERM, os.strerror(EPERM))  # always ready: epoll's answer

    def _unwatch_foreign(self, fd: int) -> None:
        self._drop_poll(fd)

    def rearm(self, fd: int) -> None:
        if fd not in self._polls:
            self._polls[fd] = ForeignPoll(self, fd, self._foreign[fd])

    def polled(self, poll: ForeignPoll) -> None:
        """It completed; or it was dropped, and is none of the descriptor's any more."""
        if self._polls.get(poll.fd) is poll:
            del self._polls[poll.fd]
            self.maybe_ready.add(poll.fd)

    def _drop_poll(self, fd: int) -> None:
        """Cancel now: the open file shall be over when its owner closes it."""
        poll = self._polls.pop(fd, None)
        if poll is not None:
            self.cancel(poll.user_data)
            self._enter(0, 0.0)

    def collect(self, listener: UringListener) -> None:
        """Wait until the accept of `listener` is over, without resuming anybody.

        The completions of others are kept for later, those of the batch that is just
        being dispatched included.  Its own may have come before: in that batch, or among
        those that were put off.
        """
        postponed, self._postponed = self._postponed, []
        fresh: Batch = chain(self._batch or (), postponed)
        while True:
            for completion in fresh:
                if completion[0] == listener.user_data:
                    listener.completed(*completion)
                else:
                    self._postponed.append(completion)
            if not listener.armed:
                self.sends.expect(self._postponed)
                return
            self._enter(1, self._tick_s)
            fresh = self.ring.completions()

    def run(self, main: Task) -> Any:
        if self._owner != (os.getpid(), threading.get_ident()):
            main.close()
            raise RuntimeError(FOREIGN)
        try:
            return super().run(main)
        finally:
            self.flush()

    def flush(self) -> None:
        """Do not leave sends behind that nobody may ever submit."""
        if self.sends.queued and self.ring.fd >= 0:
            self.submit()
        if self.sends.unsettled:  # a shutdown that was put off until all was sent
            self._dispatch(iter(self._earlier()))

    def wake(self) -> None:
        self._pipe.wake()

    @property
    def wake_fd(self) -> int:
        return self._pipe.write_fd

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

    def _end_operations(self) -> None:
        """Cancel what is pending, and collect it: until then our memory is not our own."""
        abandon(list(self.targets.values()))
        for target in self.targets.values():
            for user_data in target.pending():
                self.cancel(user_data)
        for _ in range(CLOSE_ROUNDS):
            self._dispatch(chain(self._earlier(), self.ring.completions()))
            if not any(target.pending() for target in self.targets.values()):
                return
            self._enter(1, CLOSE_ROUND_S)

    def statistics(self) -> dict[str, int]:
        ring = self.ring
        return {
            "enters": ring.enters,
            "submissions": ring.submitted,
            "completions": ring.completed,
            **self.counts,
        }
