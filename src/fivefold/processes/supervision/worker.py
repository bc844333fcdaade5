"""A worker as its supervisor knows it: a process, what it said, and the times it is given.

It is starting until it says that it is ready, then serves, and leaves when it was told to.
Whatever it shall do by some time has a clock here, and a worker that misses one is first asked
where it is (`stack`), and then killed; the supervisor looks at all clocks in each turn.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from time import monotonic

from ...isolation.reporting import logger
from .. import stack
from ..draining import Draining
from ..forking import send
from ..pulse import Pulse
from ..ready_pipe import Attention
from ..stopping import LEAVE
from .guard import kill_child
from .recycling import Wear
from .succession import Succession

log = logger("fivefold.supervisor")

KILL_MARGIN_S = 2.0
"""On top of the workers' own grace, before they are killed."""

DYING_S = 0.5
"""How long a worker that will not become ready may take to die."""

WAITING_S = 10.0
"""How often the log says which worker is not ready yet."""

CLOSED = "a worker cannot say that it is ready: something in it closes all descriptors"


@dataclass
class Worker:
    """A process that serves, will serve, or has served."""

    pid: int
    generation: int
    """How often new workers had been asked for when it was forked."""
    pipe: Attention
    draining: Draining
    wear: Wear
    started: float
    succession: Succession = field(default_factory=Succession)
    ready_at: float = math.inf
    left_at: float = math.inf
    """When it was told to leave."""
    say_at: float = math.inf
    """When the log says again what is waited for."""
    ask_at: float = math.inf
    """When its time is over: it is asked for its stack, and killed."""
    kill_at: float = math.inf
    pulse: Pulse | None = None
    """None if no caller wants to know."""
    why: str = ""
    """Of its being killed."""
    lost: int = 0
    """Connections that it has cut, or that have ended with it, when it was told to leave."""

    @property
    def was_ready(self) -> bool:
        return self.ready_at < math.inf

    @property
    def due(self) -> float:
        """When its clocks must be looked at again."""
        due = min(self.say_at, self.ask_at, self.kill_at)
        return min(due, self.pulse.due) if self.pulse and self._serves else due

    @property
    def _serves(self) -> bool:
        """Whether it is expected to take turns: it is neither starting nor at its end."""
        return self.was_ready and not self.why and self.left_at == self.kill_at == math.inf

    def give(self, startup_s: float | None) -> None:
        """The time it has to become ready; None for as long as it takes."""
        self.say_at = self.started + WAITING_S
        if startup_s is not None:
            self.ask_at = self.started + startup_s

    def hear(self) -> bool:
        """What it says while it starts; True if it has just become ready."""
        if self.pipe.ended:
            return False
        self.pipe.listen()
        if self.pipe.ready:
            self.ready_at = monotonic()
            if self.left_at == math.inf:
                self.say_at = self.ask_at = math.inf
        elif self.pipe.reason or self.pipe.ended:
            self._is_in_vain()
        return self.was_ready

    def _is_in_vain(self) -> None:
        """It is about to die, unless it lingers, or its processes do."""
        if self.pipe.reason:
            send(self.pid, LEAVE)
        self.pipe.close()
        self.kill_at = min(self.kill_at, monotonic() + DYING_S)
        self.say_at = self.ask_at = math.inf

    def has_died(self, status: int) -> bool:
        """Its last words may have come with its death; True if it became ready by them."""
        stack.stacks.say(log, self.pid)  # it may have ended by being asked
        self.pipe.listen()
        became_ready = self.pipe.ready and not self.was_ready
        if became_ready:
            self.ready_at = monotonic()
        self.pipe.close()
        if self.pulse is not None:
            self.pulse.close()
            self.pulse = None
        left = self.draining.open if os.WIFSIGNALED(status) else 0
        self.lost = max(self.draining.cut, left)  # what was cut may not have ended, too
        self.draining.close()
        self.wear.close()
        return became_ready

    def dismiss(self, grace_s: float) -> None:
        """Tell it to leave, within its grace."""
        send(self.pid, LEAVE)
        self.left_at = monotonic()
        self.ask_at = min(self.ask_at, self.left_at + grace_s + KILL_MARGIN_S)
        self.say_at = math.inf

    def look_at_clocks(self, now: float) -> None:
        if now >= self.kill_at:
            stack.stacks.say(log, self.pid)
            if not (self.was_ready or self.pipe.reason):
                self.why = self.why or CLOSED
            kill_child(self.pid)
            self.kill_at = math.inf
        elif now >= self.ask_at or (
            self.pulse is not None and self._serves and self.pulse.has_stopped(now)
        ):
            self._ask_for_stack(now)
        elif now >= self.say_at:
            self.say_at = now + WAITING_S
            log.warning("worker %d is not ready for %s", self.pid, self._waited(now))

    def _ask_for_stack(self, now: float) -> None:
        """The last thing that it is asked for; then it is killed."""
        self.ask_at = self.say_at = math.inf
        self.kill_at = now + stack.STACK_S
        if self.left_at < math.inf:
            self.why = f"it has not ended {now - self.left_at:.1f} s after it was asked to"
        elif self.was_ready and self.pulse is not None:
            self.why = f"it is stuck for {self.pulse.silence(now):.1f} s (--stuck-s)"
        else:
            self.why = f"it was not ready for {self._waited(now)} (--startup-s)"
        log.error("worker %d is killed: %s", self.pid, self.why)
        send(self.pid, stack.STACK)

    def _waited(self, now: float) -> str:
        doing = f" ({self.pipe.doing})" if self.pipe.doing else ""
        return f"{now - self.started:.0f} s{doing}"
