"""How a worker comes to be: forked from the supervisor, with a pipe on which it says when it is
ready, and a pulse where one is asked for."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterable
from time import monotonic

from ..draining import Draining
from ..forking import HANDLED, forked
from ..process_signals import ProcessSignals
from ..pulse import Pulse
from ..ready_pipe import Announcement, Attention
from ..stopping import LEAVE
from .guard import Guard
from .recycling import Wear
from .slot import End, Slot
from .succession import Succession
from .worker import Worker

Life = Callable[[list[socket.socket], Announcement], None]
"""Runs in the child: serve on these sockets; call the second argument once they accept.
The sockets of the other slots are open, too."""

Recycling = Callable[[list[socket.socket], Draining], Wear]
"""Of a new worker that will listen on these sockets, and say there how it ends."""

Silence = Callable[[list[socket.socket]], float | None]
"""How many seconds a worker that listens on these sockets may show no sign of life."""


class Spawning:
    """What every new worker gets, and what it must not keep of its supervisor."""

    def __init__(
        self,
        life: Life,
        signals: ProcessSignals,
        guard: Guard,
        *,
        startup_s: float | None,
        stuck_s: Silence,
        recycling: Recycling,
    ) -> None:
        self._life = life
        self._signals = signals
        self._guard = guard
        self._startup_s = startup_s
        self._stuck_s = stuck_s
        self._recycling = recycling

    def worker(self, slot: Slot, generation: int, ends: Iterable[End]) -> Worker:
        """A new one for the slot; `ends`: what this process keeps for others. Raises OSError."""
        stuck_s = self._stuck_s(slot.sockets)
        pulse = None if stuck_s is None else Pulse(stuck_s)
        draining = Draining()
        wear = self._recycling(slot.sockets, draining)
        with contextlib.ExitStack() as undo, contextlib.ExitStack() as theirs:
            succession = Succession()
            undo.callback(succession.close)
            theirs.callback(succession.begin)
            ready, say = os.pipe2(os.O_CLOEXEC)
            undo.callback(os.close, ready)
            theirs.callback(os.close, say)
            words = Announcement(
                say,
                pulse.beat if pulse else lambda: None,
                draining,
                wear.requests,
                succession=succession,
                demand=slot.demand,
                supervisor=os.getpid(),
            )
            pid = forked(
                lambda: self._live(slot, ready, words, (*ends, succession)),
                f"worker {slot.number + 1}",
                ended_by=LEAVE,
            )
            undo.pop_all()
        self._guard.started(pid)
        heard, since = Attention(ready), monotonic()
        worker = Worker(pid, generation, heard, draining, wear, since, succession, pulse=pulse)
        worker.give(self._startup_s)
        return worker

    # runs in: a worker

    def _live(
        self, slot: Slot, ready: int, announcement: Announcement, ends: Iterable[End]
    ) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        self._signals.close_copies()
        self._guard.close()
        os.close(ready)
        for end in ends:
            end.close()
        try:
            self._life(slot.queues, announcement)
        except Exception as error:
            if not announcement.failed(error):
                raise
