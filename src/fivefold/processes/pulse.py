"""The pulse of a process: whether it still does anything (`stuck_s`).

Facts.        A worker whose only thread never gets back to its I/O model (a handler that loops, a
              lock that no thread gives back), or in which C code holds the GIL for ever, answers
              no client and hears no signal; a process that was stopped (SIGSTOP) neither.  Its
              clients are lost; new ones are served by other workers, if there are any
              (`stealing`).  Nothing in it can be asked.
Choice.       Eight bytes of memory that a process shares with its parent.  It writes the time
              there four times within `stuck_s`; the parent looks, and ends one that has not
              written for so long, after a second look: where the whole server was stopped (a
              debugger, a frozen container) the parent may go on first.
              Who writes: where one thread runs all connections, the tick of its I/O model, so
              that a handler which blocks them all is found.  Elsewhere a thread that does
              nothing else: the threads of `thread`, and a connection process, may all be
              within requests that merely sleep, and then no I/O model has a turn.  Under
              `process` the supervisor looks at the forker, which has no thread and writes in
              its turns, and the forker at the acceptor and at each connection process
              that has once been idle: one that hangs is ended alone.
Assumption.   No handler may take so long where one thread runs all connections: only the user
              knows, so by default nothing is ended.  Elsewhere code that never ends but gives the
              GIL back (a deadlock, a loop in Python) keeps its thread or process, and the pulse
              goes on: `--slow-request-s` shows it.  A thread waits for the GIL at most
              5 ms for each thread that computes (`sys.getswitchinterval`), so some hundred
              would be needed to starve the pulse.
Cost.         A write to memory, 0.3 us, in each tick; or a thread that wakes up four times within
              `stuck_s`, in each connection process, too; nothing without the setting.
"""

from __future__ import annotations

import math
import mmap
import signal
import struct
import threading
from collections.abc import Callable
from time import monotonic, sleep

BEATS = 4
"""Within `stuck_s`: less than three would make a late one look like the end."""

SECOND_LOOK_S = 0.3
"""At least: one that goes on beats at once, since its beat is overdue."""

LONGEST_LOOK_S = 2.0
"""How long it may take it at most: as long as the one that looks was late itself."""

TIME = struct.Struct("d")


class Pulse:
    """Made before the fork; both sides have it; due when it has beaten. Raises OSError (no
    memory)."""

    def __init__(self, stuck_s: float, memory: mmap.mmap | None = None, at: int = 0) -> None:
        """`memory`: what has a place for it, at the offset `at`; None for some of its own."""
        self._stuck_s = stuck_s
        self._memory = mmap.mmap(-1, TIME.size) if memory is None else memory
        self.at = at
        self._missed = -math.inf
        """The last beat when it was first missed."""
        self._again_at = 0.0
        self.rest()

    # runs in: the process itself

    def beat(self) -> None:
        TIME.pack_into(self._memory, self.at, monotonic())

    # runs in: its parent

    @property
    def _last(self) -> float:
        last: float = TIME.unpack_from(self._memory, self.at)[0]
        return last

    @property
    def due(self) -> float:
        """When to look again."""
        last = self._last
        return self._again_at if last == self._missed else last + self._stuck_s

    def rest(self) -> None:
        """From now on it is not due, until it beats."""
        TIME.pack_into(self._memory, self.at, math.inf)

    def has_stopped(self, now: float) -> bool:
        if now < (due := self.due):
            return False
        last = self._last
        if last == self._missed:
            return True
        self._missed = last
        self._again_at = now + min(max(now - due, SECOND_LOOK_S), LONGEST_LOOK_S)
        return False

    def silence(self, now: float) -> float:
        """Seconds since the last beat."""
        return now - self._last

    def close(self) -> None:
        """Where it has memory of its own."""
        self._memory.close()


def pause_s(stuck_s: float) -> float:
    """Between two beats."""
    return stuck_s / BEATS


def begin_beating(beat: Callable[[], None], stuck_s: float) -> None:
    """From now on, in a thread that ends with its process. Raises RuntimeError (no thread)."""

    def life() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for others
        while True:
            beat()
            sleep(pause_s(stuck_s))

    threading.Thread(target=life, name="fivefold-pulse", daemon=True).start()
