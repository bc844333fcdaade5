"""How a worker's processes come to their end: asked to leave, cut, shown where they are, killed.

The acceptor first, and the children one after the other.  A child that is left when the grace time
is over is asked again, which cuts its connection; later it shows its stack, and is killed.
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Collection
from time import monotonic

from ...processes import stack
from ...processes.forking import send
from ...processes.grace import Grace
from ...processes.stopping import LEAVE
from ..base import log
from ..open_connections import CUT_S

OVERDUE = "it has not ended within the grace time"

HAS_CUT = 3
"""How a child ends that had to cut its connection; from one that was not asked to, or has not had
its grace time, it means nothing."""

SPREAD_S = 0.1
"""In which all children are asked to leave: their clients come to a successor that forks a child
for each, and all at once they would wait for the last one."""

KILLED_AGAIN_S = 1.0
"""After SIGKILL, until it is sent again: what was forked meanwhile gets it, too."""


class Leaving:
    """Of one worker, in its forker; nothing until `begin`."""

    def __init__(self) -> None:
        self.begun = False
        """Whether all are asked to end."""
        self.is_over = False
        """Whether those that do not end have been asked where they are."""
        self._grace: Grace | None = None
        """Until what is left has been cut."""
        self._kill_at = math.inf
        self._to_leave: list[int] = []
        """Children that will be asked."""
        self._leave_at = self._pause_s = 0.0

    @property
    def due(self) -> float:
        """When `go_on` has to be called."""
        return min(self._cut_at, self._kill_at, self._leave_at if self._to_leave else math.inf)

    @property
    def _cut_at(self) -> float:
        """The present moment if there is less time than there was (`Grace`)."""
        return math.inf if self._grace is None else self._grace.until()

    def begin(self, grace: Grace, acceptor: int | None, children: Collection[int]) -> None:
        self.begun = True
        self._grace, self._kill_at = grace, grace.end() + CUT_S
        if acceptor is not None:
            send(acceptor, LEAVE)
        self._to_leave = [*children]
        self._leave_at = monotonic()
        self._pause_s = SPREAD_S / max(len(self._to_leave), 1)

    def go_on(self, now: float, acceptor: int | None, children: Collection[int]) -> None:
        """Do what is due to those that are left."""
        while self._to_leave and now >= self._leave_at:
            if (pid := self._to_leave.pop()) in children:
                send(pid, LEAVE)
            self._leave_at += self._pause_s
        if now >= self._cut_at:
            self._grace = None
            for pid in children:
                send(pid, LEAVE)
        if now >= self._kill_at:
            self._kill([*children] if acceptor is None else [acceptor, *children])

    def _kill(self, processes: Collection[int]) -> None:
        """Each shows where it is first."""
        self._kill_at = monotonic() + (KILLED_AGAIN_S if self.is_over else stack.STACK_S)
        for pid in processes:
            if self.is_over:
                stack.stacks.say(log, pid)
            else:
                log.error("connection process %d is killed: %s", pid, OVERDUE)
            send(pid, signal.SIGKILL if self.is_over else stack.STACK)
        self.is_over = True

    def has_cut(self, status: int) -> bool:
        """Whether a child that has ended so has cut a connection, or was cut with it."""
        # One that hears of the end late looks at the clock, and does not wait to be asked again.
        is_late = self._grace is None or monotonic() >= self._grace.until()
        cut = os.waitstatus_to_exitcode(status) == HAS_CUT
        return self.is_over or (self.begun and is_late and cut)
