"""A companion of the supervisor: a process of the server that serves no client, and is started
again when it dies.

Facts.        A process may be killed by whoever lacks memory, an operator's mistake, a fault of its
              own.  A monitor that gets no answer takes the whole server for dead, and has it
              replaced.  Nobody else reaps a child of the supervisor.
Choice.       The supervisor keeps what a companion serves with (its sockets, the pipe that it
              reads), and forks it anew when it has died: the first time at once, then with the
              growing pauses of a worker that does not start.  Who waited in the kernel's queue is
              answered by the next one.
Assumption.   What a companion knows lies in memory that all share, or in what is kept; what it only
              knew itself is lost with it, a tracer's connection for instance.
Cost.         The descriptors that are kept, in the supervisor.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from time import monotonic

from ...errors import WorkerFailed
from ...isolation.reporting import logger
from ...linux.process_control import children_called
from ..backoff import CALM_S, Backoff
from ..forking import describe, end_child, forked, reap

log = logger("fivefold.supervisor")


class Companion:
    """One of them, as the supervisor has it."""

    def __init__(
        self,
        name: str,
        called: str,
        life: Callable[[], object],
        kept: Iterable[Callable[[], None]] = (),
    ) -> None:
        """`name`: who it is, in a sentence; `called`: in the list of processes, at most 15 bytes;
        `life` runs in each of its processes; `kept`: each closes something that it serves with."""
        self.name = name
        self._called = called
        self._life = life
        self._kept = tuple(kept)
        self.pid = 0
        """Of its process; 0 while it has none."""
        self._begun_at = 0.0
        self._backoff = Backoff()

    @contextlib.contextmanager
    def among(self, companions: list[Companion]) -> Iterator[None]:
        """It lives until the block ends, as one of these. Raises `WorkerFailed` if no process can
        be had."""
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            companions.append(self)
            undo.callback(companions.remove, self)
            try:
                self._begin(lambda: self.others_close(companions))
            except OSError as error:
                raise WorkerFailed(f"no process can be started: {error}") from error
            undo.callback(self._end)
            yield

    def _begin(self, leave: Callable[[], None]) -> None:
        """Raises OSError."""

        def life() -> None:
            leave()
            self._life()

        with children_called(self._called):
            self.pid = forked(life, self.name)
        self._begun_at = monotonic()

    def _end(self) -> None:
        if self.pid:
            end_child(self.pid)

    def others_close(self, companions: Iterable[Companion]) -> None:
        """In its own process."""
        for other in companions:
            if other is not self:
                other.close()

    def close(self) -> None:
        """Where it is not served with what it needs: in workers, and in other companions."""
        for close in self._kept:
            close()

    @property
    def due(self) -> float:
        """When `look` has something to do, if no death comes before."""
        return math.inf if self.pid else self._backoff.at

    def look(self, now: float, leave: Callable[[], None]) -> None:
        """Start it again if it has died; `leave` lets go, in the new process, of what the
        supervisor keeps for itself."""
        if self.pid:
            status = reap(self.pid)
            if status is None:
                return
            self.pid = 0
            if now - self._begun_at >= CALM_S:
                self._backoff = Backoff()
            if self._backoff.failed(now, describe(status), free=1):
                log.error("the %s %s, and is started again", self.name, describe(status))
        if now >= self._backoff.at:
            try:
                self._begin(leave)
            except (OSError, MemoryError) as error:
                if self._backoff.failed(now, str(error)):
                    log.error("no %s can be started, which is tried again: %s", self.name, error)
