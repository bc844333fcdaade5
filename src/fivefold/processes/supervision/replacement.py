"""Which worker is replaced next, and when: those of an older generation, or worn out.

One by one, whatever the reason: an old worker leaves only when its successor accepts, so no client
notices, and a successor that does not become ready leaves the old one serving.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ...isolation.reporting import logger
from ..backoff import Backoff
from .slot import Slot
from .worker import Worker

log = logger("fivefold.supervisor")

OUTDATED = -1
"""The generation of a worker that is worn out, or does not listen to all queues of its slot."""


class Replacement:
    """Of the workers of all slots."""

    def __init__(self) -> None:
        self.generation = 0
        """Of workers that are started now."""
        self.backoff = Backoff()
        """Of successors, wherever they start."""

    def begin(self) -> None:
        """All workers that are here now are to be replaced."""
        self.generation += 1
        self.backoff = Backoff()

    def is_old(self, worker: Worker) -> bool:
        return worker.generation < self.generation

    def due(self, slots: Sequence[Slot]) -> float:
        """When the next is to be started, or one may be worn out."""
        times = [worker.wear.due for _, worker in self._up_to_date(slots)]
        if self.next_of(slots) is not None:
            times.append(self.backoff.at)
        return min(times, default=math.inf)

    def next_of(self, slots: Sequence[Slot]) -> Slot | None:
        """Whose worker is replaced next; None while a successor starts: its word ends the wait."""
        if any(slot.successor for slot in slots):
            return None
        return next((slot for slot, worker in serving(slots) if self.is_old(worker)), None)

    def recycle(self, slots: Sequence[Slot], now: float) -> None:
        """Mark what is worn out. A slot has at most two workers for it: where long answers keep
        the last one, the next has to wait."""
        for slot, worker in self._up_to_date(slots):
            if now < worker.wear.due:
                continue
            reason = worker.wear.look(worker.pid, worker.ready_at)
            if reason and not slot.leaving:
                log.info("worker %d %s, and is replaced", worker.pid, reason)
                worker.generation = OUTDATED

    def _up_to_date(self, slots: Sequence[Slot]) -> list[tuple[Slot, Worker]]:
        return [(slot, worker) for slot, worker in serving(slots) if not self.is_old(worker)]


def serving(slots: Sequence[Slot]) -> Iterator[tuple[Slot, Worker]]:
    """The slots whose worker is ready, with it."""
    return ((slot, slot.worker) for slot in slots if slot.worker is not None and slot.served)
