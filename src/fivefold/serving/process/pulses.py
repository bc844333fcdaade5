"""The pulses of a worker's processes, as its forker looks at them, in one page of shared memory.

A page for each process would be mapped in each later one as well.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Callable

from ...processes.pulse import TIME, Pulse, pause_s

OTHERS = 2
"""Besides the connection processes: the acceptor, and the one that replaces it."""


class Pulses:
    """Of one worker."""

    def __init__(self, stuck_s: float | None, most: int, beat: Callable[[], None]) -> None:
        """`most` connection processes at once; `beat`: the forker's own. Without `stuck_s` it does
        nothing. Raises OSError (no memory)."""
        self._stuck_s = stuck_s or math.inf
        self._beat = beat
        self._memory = None if stuck_s is None else mmap.mmap(-1, (most + OTHERS) * TIME.size)
        self._pulses: dict[int, Pulse] = {}
        """By process id."""
        self.due = math.inf if stuck_s is None else 0.0
        """When `look` has to be called."""

    def new(self) -> Pulse | None:
        """For a process that will be forked."""
        if self._memory is None:
            return None
        taken = {pulse.at for pulse in self._pulses.values()}
        places = range(0, len(self._memory), TIME.size)
        return Pulse(self._stuck_s, self._memory, next(at for at in places if at not in taken))

    def began(self, pid: int, pulse: Pulse | None) -> None:
        """The process has been forked."""
        if pulse is not None:
            self._pulses[pid] = pulse

    def ended(self, pid: int) -> None:
        """The process has been reaped."""
        self._pulses.pop(pid, None)

    def look(self, now: float) -> list[tuple[int, float]]:
        """The processes that are stuck, each once, and for how many seconds."""
        self._beat()
        stopped = [(pid, pulse) for pid, pulse in self._pulses.items() if pulse.has_stopped(now)]
        found = [(pid, pulse.silence(now)) for pid, pulse in stopped]
        for _, pulse in stopped:
            pulse.rest()
        # No pulse that begins meanwhile is due earlier.
        self.due = min([now + pause_s(self._stuck_s), *(p.due for p in self._pulses.values())])
        return found
