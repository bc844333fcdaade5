"""What all clients of one generator process share: epoll, a buffer, the tally, the clock."""

from __future__ import annotations

import heapq
import itertools
import select
from collections.abc import Callable
from typing import Any

from .job import Ask, Group, Job
from .tally import Tally

BUFFER_BYTES = 1 << 18


class ClientLoop:
    """Owned by the engine; closes what it opened."""

    def __init__(self, job: Job) -> None:
        self.address = job.address
        self.tally = Tally()
        self.known: dict[Ask, bytes] = {}
        self.buffer = bytearray(BUFFER_BYTES)
        self.view = memoryview(self.buffer)
        self.epoll = select.epoll()
        self.watchers: dict[int, Callable[[int], object]] = {}
        """By descriptor, what is called with its events."""
        self.schedules: dict[Group, Any] = {}
        """Of the groups that keep to a rate."""
        self._times: list[tuple[int, int, Callable[[int], object]]] = []
        self._order = itertools.count()

    def watch(self, fd: int, ready: Callable[[int], object], events: int) -> None:
        self.watchers[fd] = ready
        self.epoll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        self.epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        if self.watchers.pop(fd, None) is not None:
            self.epoll.unregister(fd)

    def at(self, when: int, act: Callable[[int], object]) -> None:
        """Call it at `when`, on the monotonic clock, in nanoseconds; it is given the time."""
        heapq.heappush(self._times, (when, next(self._order), act))

    def next_time(self) -> int | None:
        return self._times[0][0] if self._times else None

    def run_due(self, now: int) -> None:
        while self._times and self._times[0][0] <= now:
            heapq.heappop(self._times)[2](now)
