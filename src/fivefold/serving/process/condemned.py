"""Processes of a worker that are killed one by one, with their stacks in the log: those that are
not ready in time, and those that are stuck."""

from __future__ import annotations

import math
import signal

from ...processes import stack
from ...processes.forking import send
from ..base import log

NOT_READY = "it was not ready in time (--startup-s)"


class Condemned:
    """Of one worker, in its forker."""

    def __init__(self) -> None:
        self._starting: dict[int, float] = {}
        """By process id: until when it must be ready."""
        self._killed_at: dict[int, float] = {}
        """When those are killed that were not, or are stuck."""

    @property
    def due(self) -> float:
        """When `go_on` has to be called."""
        return min((*self._starting.values(), *self._killed_at.values()), default=math.inf)

    def unless_ready(self, pid: int, until: float) -> None:
        """A child whose start takes for ever would keep a place for ever."""
        self._starting[pid] = until

    def is_ready(self, pid: int) -> None:
        self._starting.pop(pid, None)

    def is_reaped(self, pid: int) -> None:
        self._starting.pop(pid, None)
        if self._killed_at.pop(pid, None) is not None:  # it has ended by being asked
            stack.stacks.say(log, pid)

    def soon(self, pid: int, now: float) -> None:
        """Once it has shown its stack."""
        self._killed_at[pid] = now + stack.STACK_S
        send(pid, stack.STACK)

    def go_on(self, now: float) -> None:
        """Do what is due."""
        for pid in [pid for pid, until in self._starting.items() if now >= until]:
            del self._starting[pid]
            log.error("connection process %d is killed: %s", pid, NOT_READY)
            self.soon(pid, now)
        for pid in [pid for pid, at in self._killed_at.items() if now >= at]:
            del self._killed_at[pid]
            stack.stacks.say(log, pid)
            send(pid, signal.SIGKILL)
