"""When to try again what has failed: the pauses between starts of a process, and what was said.

What happened to a process before "ready" and after it are two things: one that was never ready may
never be, and the pause before the next try grows to seconds; one that was ready has shown that
it can serve, so its death costs a short pause, and none at all if it was alone.

Who cannot start says why.  Where a server has served, a death without a word is bad luck more
often than not (`kill -9`, no memory), and clients wait.  Then, and after the deaths of workers that
served, it is the starts that are spaced: four a second at most, and each pause is as long as the
start was, so that starts which are in vain for ever take half of a processor at most.
"""

from __future__ import annotations

from dataclasses import dataclass

YOUNG_DEATHS = 5
"""So many in a row before any worker was ready end the start: nginx and systemd
(StartLimitBurst) agree."""

LONGEST_PAUSE_S = 8.0
"""Between two tries of a worker that does not become ready."""

LONGEST_CRASH_PAUSE_S = 0.5
"""After the death of a worker that served, however long its start took: a URL that crashes its
worker must not be an outage, and after the last death all are back in a second."""

SPACING_S = 0.25
"""From one start of a worker that dies soon, or without a word, to the next one at the same
place."""

CALM_S = 5.0
"""A worker that served so long and then dies is a lone crash: replaced at once."""

SHORTEST_PAUSE_S = 0.1
"""It doubles from here; a fork and a small import take as long."""


@dataclass
class Backoff:
    """When to try again, and what was said about it."""

    at: float = 0.0
    failures: int = 0
    """In a row, before ready."""
    crashes: int = 0
    """In a row, soon after ready."""
    said: str = ""

    def failed(
        self, now: float, reason: str, *, free: int = 0, longest_s: float = LONGEST_PAUSE_S
    ) -> bool:
        """One more try was in vain; True if the reason is news. The first ones may be `free`."""
        self.failures += 1
        doublings = min(self.failures - free, 16)
        pause = SHORTEST_PAUSE_S * 2.0**doublings if doublings > 0 else 0.0
        self.at = now + min(pause, longest_s, LONGEST_PAUSE_S)
        news, self.said = reason != self.said, reason
        return news

    def crashed(self, now: float, served_s: float, start_s: float = 0.0) -> None:
        """A worker that was ready has died; its start took `start_s`."""
        self.crashes = 0 if served_s >= CALM_S else self.crashes + 1
        pause = spacing_s(start_s + served_s, start_s) if self.crashes > 1 else 0.0
        self.at = now + min(pause, LONGEST_CRASH_PAUSE_S)

    def succeeded(self) -> bool:
        """A worker is ready; True if that is news."""
        news, self.said, self.failures = bool(self.said), "", 0
        return news


def spacing_s(lived_s: float, start_s: float) -> float:
    """How long to wait after the death of one that lived so long, and of that took so long to
    start."""
    return max(SPACING_S - lived_s, start_s, 0.0)
