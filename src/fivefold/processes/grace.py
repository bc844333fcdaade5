"""How much time a process has for its end, counted from the moment at which it is asked to end.

First what it serves may come to an end by itself (the grace time, `--grace-s`); what has not by
then is cut.  After that the application may end (`--lifespan-s`).  All parts of a process that
have to do with it look at the same clock.
"""

from __future__ import annotations

from time import monotonic


class Grace:
    """Of one process. A forked one goes on with what its parent was told."""

    def __init__(self, grace_s: float = 30.0, shutdown_s: float = 0.0) -> None:
        self.grace_s = grace_s
        self.shutdown_s = shutdown_s
        """How long content may take to end after the grace time; 0 if it has nothing to end."""
        self._began_at: float | None = None

    def begin(self) -> None:
        """It was asked to end; the first time counts. From any thread or signal handler."""
        if self._began_at is None:
            self._began_at = monotonic()

    def until(self) -> float:
        """When it cuts what it serves, in monotonic seconds; as if it had just been asked, if
        no call has asked."""
        return (monotonic() if self._began_at is None else self._began_at) + self.grace_s

    def end(self) -> float:
        """When the application must have ended, too."""
        return self.until() + self.shutdown_s
