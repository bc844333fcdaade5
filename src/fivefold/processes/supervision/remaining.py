"""What a stop waits for, said once: the person who has asked for it would else see a server that
hangs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from time import monotonic

from ...isolation.reporting import logger
from .worker import Worker

log = logger("fivefold.supervisor")

SAY_S = 0.5
"""After a stop was asked for, until it is said what it waits for: most end before."""

SETTLED_S = 2.5
"""By then each worker knows what it has: it may need a tick to hear of the stop."""


class Remaining:
    """Of one server."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._settled_at = math.inf
        self._impatience = ""
        self.due = math.inf
        """When `look` has to be called."""

    def begin(self, *, interrupted: bool) -> None:
        """The workers have been asked to end, by a person at a terminal or not."""
        now = monotonic()
        self.due, self._settled_at = now + SAY_S, now + SETTLED_S
        self._impatience = "; Ctrl-C again ends them" if interrupted else ""

    def look(self, workers: Iterable[Worker], now: float) -> None:
        """Say what they wait for, when it is time, and known."""
        if now < self.due:
            return
        draining = [worker.draining.open for worker in workers]
        busy = list(filter(None, draining))
        if draining and not busy and now < self._settled_at:
            self.due = now + SAY_S
            return
        self.due = math.inf
        what = f"{counted(sum(busy), 'connection')} in {counted(len(busy), 'worker')}"
        if not busy:
            what = f"the application to end in {counted(len(draining), 'worker')}"
        if draining:
            log.info("waiting for %s, up to %g s%s", what, self._grace_s, self._impatience)


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
