"""Non-blocking I/O: try, be refused, try again.

Facts.        With O_NONBLOCK a call that would have to wait fails with EAGAIN at once
              (socket(7)); nothing tells when it would succeed.  Each refusal costs
              1.3 us in CPython, most of it for the exception.
Consequence.  The thread finds out by asking all over again: the cost grows with the
              connections that wait, not with those that have something.
Choice.       One round tries every pending operation once.  After a round without any
              success the thread backs off: it spins for a few rounds, then yields the
              processor, then sleeps 50 us, doubling up to 1 ms.  Tries and successes are
              counted; their ratio is the lesson of the model (`statistics`).
Cost.         Up to 1 ms of added delay when idle, and 1000 useless rounds a second for
              ever: an idle server is never quiet.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from ..linux import page_cache
from .files import TryAgain
from .interface import Traits, Waiter
from .readiness.connection import ReadyConnection
from .readiness.listener import ReadyListener
from .readiness.watching import Watching

R = TypeVar("R")

SPINS = 3
"""Rounds in a row without success before the processor is offered to others."""

YIELDS = 5
"""Rounds that offer the processor (sched_yield(2)) before the thread sleeps."""

FIRST_SLEEP_S = 50e-6
"""The shortest sleep worth its timer: a timer of Linux is late by 50 us (timerslack)."""

LONGEST_SLEEP_S = 1e-3
"""The longest: a bearable delay for the first byte after a quiet spell."""


class TriedConnection(ReadyConnection):
    """A connection whose calls are counted."""

    def __init__(self, io: Nonblocking, sock: socket.socket) -> None:
        super().__init__(io, sock)
        self._tried = io.tried

    def _recv(self, size: int) -> bytes | None:
        return self._tried(super()._recv, size)

    def _send(self, data: bytes | memoryview, flags: int = 0) -> int:
        return self._tried(self.sock.send, data, flags)

    def _sendfile(self, to: int, file: int, offset: int, count: int) -> int:
        return self._tried(os.sendfile, to, file, offset, count)


class TriedListener(ReadyListener):
    """A listener whose accepts are counted."""

    def __init__(self, io: Nonblocking, sock: socket.socket) -> None:
        super().__init__(io, sock)
        self._accept = partial(io.tried, sock.accept)


class Nonblocking(Watching):
    """Round after round over everything that is pending."""

    name = "nonblocking"
    engine = "nonblocking"
    traits = Traits(
        overlaps=True,
        waits_in="clock_nanosleep(2) between rounds of tries",
        wait="{tries} refused (EAGAIN)",
        disk_wait="{tries} of preadv2 refused (EAGAIN)",
        files="preadv2(RWF_NOWAIT), again and again",
        limit="every pending operation costs 2 us a round, idle ones included",
    )
    connection_type = TriedConnection
    listener_type = TriedListener

    @classmethod
    def available(cls) -> str | None:
        if not page_cache.CAN_TELL:
            return "this Python has no os.RWF_NOWAIT, without which every read of a file may wait"
        return None

    def __init__(self, *, tick_s: float = 1.0, connections: int = 1024) -> None:
        super().__init__(tick_s=tick_s, connections=connections)
        self.files = TryAgain(self._next_round)
        self._file_waiters: list[Waiter] = []
        self._wake_called = False
        self._fruitless = 0
        self._tries = self._successes = 0

    def _watch_foreign(self, fd: int, events: int) -> None:
        pass  # in every round all of them may be ready

    def _unwatch_foreign(self, fd: int) -> None:
        pass

    def tried(self, call: Callable[..., R], *arguments: Any) -> R:
        """`call`, counted: one more try, and one more success unless it raises, or says None."""
        self._tries += 1
        result = call(*arguments)
        self._successes += result is not None
        return result

    def _next_round(self) -> Waiter:
        waiter = Waiter()
        self._file_waiters.append(waiter)
        return waiter

    def _wait(self, timeout_s: float) -> None:
        before = self._successes
        # A copy: connections are made and closed by what runs here.
        for source in list(self._watched.values()):
            self.go_on(source.reader)
            self.go_on(source.writer)
        # A read that is refused again waits for the next round, not for this one.
        waiters, self._file_waiters = self._file_waiters, []
        for waiter in waiters:
            self.go_on(waiter)
        # Nothing tells about them either; one poll(2) of the host's asks for all at once.
        self.maybe_ready.update(self._foreign)
        if self._wake_called:
            self._wake_called = False
            self._on_wake()
        elif self._successes == before and not self._ready and timeout_s > 0:
            self._back_off(timeout_s)
        else:
            self._fruitless = 0

    def _back_off(self, timeout_s: float) -> None:
        self._fruitless += 1
        doublings = self._fruitless - SPINS - YIELDS
        if doublings > 0:
            # 2 ** 10 of the first sleep is beyond the longest: the power itself stays small.
            pause = min(FIRST_SLEEP_S * 2.0 ** min(doublings - 1, 10), LONGEST_SLEEP_S, timeout_s)
            time.sleep(pause)
        elif self._fruitless > SPINS:
            os.sched_yield()

    def wake(self) -> None:
        self._wake_called = True

    @property
    def wake_fd(self) -> int:
        return -1

    def statistics(self) -> dict[str, int]:
        return {"tries": self._tries, "successes": self._successes}
