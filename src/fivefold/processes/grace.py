"""How much time a process has for its end, counted from the moment at which it is asked to end.

First what it serves may come to an end by itself (the grace time, `--grace-s`); what has not by
then is cut.  After that the application may end (`--lifespan-s`).  All parts of a process that
have to do with it look at the same clock.

Orphans have less.  When the supervisor has been killed, nobody replaces its workers, nobody says
what they wait for, and whoever starts the server anew wants to have it alone: all of a worker is
gone within two seconds, `ORPHANED_S` says how.

Facts.        A process learns of its parent's death by LEAVE (PR_SET_PDEATHSIG), and getppid(2) is
              another number by then.  Under `process` only the forker is a child of the supervisor.
              A process that is stopped, or that gets no processor, hears of signals late, and
              Python calls the handler once for two of one number.
Choice.       A page that the forks of a worker share has the moments at which its first process
              was asked to end, and at which this one, which knows its supervisor's number, has seen
              that it is an orphan.
Assumption.   That process lives.  If it was killed as well, what is left of it ends by the grace
              time of everybody; a worker whose loop stands still is the guard's
              (`supervision.guard`).
Cost.         4 KiB for each worker.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from time import monotonic
from typing import NamedTuple

MOMENTS = struct.Struct("@dd")
"""When the first process was asked to end, and when it became an orphan; `math.inf`: not yet."""


class OrphanTimes(NamedTuple):
    """Seconds from the death of the supervisor on."""

    last_call: float
    """Until a connection without a request may be closed, at the next tick of its model."""
    cut: float
    """Until what is still served is cut."""
    end: float
    """Until the application must have ended; what is left shows where it is, and is killed."""


ORPHANED_S = OrphanTimes(last_call=0.4, cut=1.0, end=1.3)


class Grace:
    """Of one process. A forked one goes on with what its parent was told."""

    def __init__(
        self, grace_s: float = 30.0, shutdown_s: float = 0.0, *, supervisor: int | None = None
    ) -> None:
        """`supervisor`: the process whose child the calling one was born as; None if its end is
        no reason for ours. Raises OSError (no memory)."""
        self.grace_s = grace_s
        self.shutdown_s = shutdown_s
        """How long content may take to end after the grace time; 0 if it has nothing to end."""
        self._began_at: float | None = None
        self._supervisor, self._made_in = supervisor, os.getpid()
        self._shared = mmap.mmap(-1, MOMENTS.size)
        MOMENTS.pack_into(self._shared, 0, math.inf, math.inf)

    def begin(self) -> None:
        """It was asked to end; the first time counts, and that its supervisor has died is seen
        each time. From any thread or signal handler."""
        now = monotonic()
        if self._began_at is None:
            self._began_at = now
        if os.getpid() != self._made_in:
            return
        asked_at, orphaned_at = self._moments
        is_orphan = self._supervisor is not None and os.getppid() != self._supervisor
        MOMENTS.pack_into(
            self._shared, 0, min(asked_at, now), min(orphaned_at, now if is_orphan else math.inf)
        )

    @property
    def is_orphaned(self) -> bool:
        """Whether it ends because its supervisor has died."""
        return self._orphaned_at < math.inf

    @property
    def why_over(self) -> str:
        """Why what is served is cut, for the log."""
        return (
            "the supervisor was killed"
            if self.is_orphaned
            else "the grace time is over (--grace-s)"
        )

    @property
    def _moments(self) -> tuple[float, float]:
        asked_at, orphaned_at = MOMENTS.unpack_from(self._shared)
        return float(asked_at), float(orphaned_at)

    @property
    def _orphaned_at(self) -> float:
        return self._moments[1]

    @property
    def last_call_s(self) -> float:
        """How long a connection may be without a request from now on, at most."""
        return ORPHANED_S.last_call if self.is_orphaned else math.inf

    def until(self) -> float:
        """When it cuts what it serves, in monotonic seconds; as if it had just been asked, if
        no call has asked."""
        ours = monotonic() if self._began_at is None else self._began_at
        asked_at, orphaned_at = self._moments
        return min(min(ours, asked_at) + self.grace_s, orphaned_at + ORPHANED_S.cut)

    def end(self) -> float:
        """When the application must have ended, too."""
        return min(self.until() + self.shutdown_s, self._orphaned_at + ORPHANED_S.end)
