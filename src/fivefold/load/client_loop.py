"""What all clients of one generator process share: epoll, a buffer, the tally, the clock."""

from __future__ import annotations

import heapq
import itertools
import select
from typing import Any, Protocol

from .job import Ask, Group, Job
from .tally import Tally

BUFFER_BYTES = 1 << 18


class Acts(Protocol):
    def act(self, now: int) -> None: ...


class Ready(Acts, Protocol):
    def ready(self, events: int) -> None: ...


class ClientLoop:
    """Owned by the engine; closes what it opened."""

    def __init__(self, job: Job) -> None:
        self.address = job.address
        self.tally = Tally()
        self.known: dict[Ask, bytes] = {}
        self.buffer = bytearray(BUFFER_BYTES)
        self.view = memoryview(self.buffer)
        self.epoll = select.epoll()
        self.clients: dict[int, Ready] = {}
        self.schedules: dict[Group, Any] = {}
        """Of the groups that keep to a rate."""
        self._times: list[tuple[int, int, Acts]] = []
        self._order = itertools.count()

    def watch(self, fd: int, client: Ready, events: int) -> None:
        self.clients[fd] = client
        self.epoll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        self.epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        if self.clients.pop(fd, None) is not None:
            self.epoll.unregister(fd)

    def at(self, when: int, who: Acts) -> None:
        """Let it act at `when`, on the monotonic clock, in nanoseconds."""
        heapq.heappush(self._times, (when, next(self._order), who))

    def next_time(self) -> int | None:
        return self._times[0][0] if self._times else None

    def run_due(self, now: int) -> None:
        while self._times and self._times[0][0] <= now:
            heapq.heappop(self._times)[2].act(now)
