"""What a run of the generator found, and how the findings of several processes add up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .histogram import Histogram

SATURATED = 0.9
"""The share of its core from which on the generator may be the limit, not the server."""

STALLED_SHARE = 0.25
"""Of a run: what is not answered for so long at its end is stuck, not slow."""


@dataclass
class Tally:
    """Counts of one run. Latencies are in nanoseconds."""

    latencies: Histogram = field(default_factory=Histogram)
    elapsed_s: float = 0.0
    busy: float = 0.0
    """The share of its core that the busiest generator process used."""
    received_bytes: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    """Answers that were wrong and connections that could not be had, by kind."""
    lost: int = 0
    """Requests that were sent and never answered, because the connection ended."""
    unanswered: int = 0
    """Requests still open at the end of the run."""
    oldest_unanswered_ns: int = 0
    stalled: int = 0
    """Those of them that have waited for the last `STALLED_SHARE` of the run, or for longer."""
    clients: int = 0
    clients_served: int = 0
    """Clients that got at least one answer."""
    cut_off: int = 0
    """Requests of clients that ask once whose connection ended without an answer (`Scenario.harm`
    names it)."""
    kept_waiting: int = 0
    """Requests of such clients that were sent, and still open at the end."""
    connected: int = 0
    """Connections that were made."""

    @property
    def requests(self) -> int:
        """Right answers."""
        return self.latencies.total

    @property
    def requests_per_s(self) -> float:
        return self.requests / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def longest_ns(self) -> int:
        """The longest wait, that of a request still unanswered included."""
        return max(self.latencies.highest, self.oldest_unanswered_ns)


def added(tallies: list[Tally]) -> Tally:
    """All processes of one run as one."""
    whole = Tally()
    for each in tallies:
        whole.latencies.add(each.latencies)
        whole.errors.update(each.errors)
        for name in SUMMED:
            setattr(whole, name, getattr(whole, name) + getattr(each, name))
        for name in LARGEST:
            setattr(whole, name, max(getattr(whole, name), getattr(each, name)))
    return whole


SUMMED = (
    "received_bytes",
    "lost",
    "unanswered",
    "stalled",
    "clients",
    "clients_served",
    "cut_off",
    "kept_waiting",
    "connected",
)
LARGEST = ("elapsed_s", "busy", "oldest_unanswered_ns")
