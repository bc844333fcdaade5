"""The silent sends of a ring: those that leave no completion if all went well."""

from __future__ import annotations

from collections.abc import Iterable
from socket import MSG_DONTWAIT, MSG_NOSIGNAL, MSG_WAITALL
from typing import Protocol

from ....linux.io_uring.queues import Ring
from ...batching.holding import Held
from .operations import SILENT

SILENT_FLAGS = MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL
"""Not all of it at once (WAITALL) is a failure, not to be retried by the kernel (DONTWAIT)."""


class SilentSender(Protocol):
    """What sends silently, and has at most one such send on its way."""

    number: int
    send_word: int
    send_user_data: int

    def settle(self) -> None:
        """What was to leave silently is certainly sent, or has failed."""


class SilentSends(Held):
    """The silent sends of one ring; at most one of each connection."""

    def __init__(self) -> None:
        super().__init__()
        self.flying: dict[SilentSender, bytes] = {}
        """What went out with the last ones; some of it may yet prove to have failed."""
        self.unsettled: list[SilentSender] = []
        """The waiter that wants to know when they are certainly sent."""
        self._tail = 0
        self._failed: set[int] = set()
        """The connections whose failures have been collected, but not dealt with."""

    def push(self, ring: Ring) -> None:
        """Submit what is queued, unless an earlier send of the connection is in the air."""
        if self.flying:
            later, self.queued = self.queued, {}
            for connection, data in later.items():
                # If the earlier one met a full buffer, the later one, tried after it in the same
                # call, might find room again, and its bytes would stand before the rest of the
                # earlier one.
                if connection in self.flying:
                    self.queued[connection] = data
                else:
                    self.flying[connection] = data
                    ring.push_bytes(((connection, data),), SILENT_FLAGS)
        else:
            self.flying, self.queued = self.queued, self.flying
            ring.push_bytes(self.flying.items(), SILENT_FLAGS)
        self._tail = ring.tail

    def expect(self, completions: Iterable[tuple[int, int, int]]) -> None:
        """These have been collected, and will be dealt with later."""
        self._failed.update(data >> 2 for data, _, _ in completions if data & 3 == SILENT)

    def land(self, ring: Ring) -> None:
        """Whatever has not failed by now is sent: all completions are known, or expected."""
        if ring.known >= self._tail:  # else the kernel has not taken, or not told, all of it
            self.flying = {c: d for c, d in self.flying.items() if c.number in self._failed}

    def settle(self, ring: Ring, later: list[tuple[int, int, int]]) -> None:
        """All completions have been dealt with, but for those that come `later`."""
        if self._failed:
            self._failed.clear()
        if later:
            self.expect(later)
            self.land(ring)
        elif ring.known >= self._tail:
            self.flying.clear()
        if self.unsettled:
            waiting, self.unsettled = self.unsettled, []
            for connection in waiting:
                connection.settle()

    def holds(self, connection: SilentSender) -> bool:
        return connection in self.queued or connection in self.flying
