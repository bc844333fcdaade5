"""What follows from the limits: how many descriptors a worker needs, how often it looks."""

from __future__ import annotations

import dataclasses
import resource

from ..http1.limits import Limits

OTHER_DESCRIPTORS = 1024
"""Open files, pipes and listeners, besides two descriptors for each connection."""

SHORTEST_TICK_S, LONGEST_TICK_S = 0.02, 1.0
"""How exactly deadlines are kept: a quarter of the shortest, within these bounds."""


def tick(limits: Limits) -> float:
    """How often, in seconds, a model looks at its deadlines."""
    times = [getattr(limits, f.name) for f in dataclasses.fields(limits) if f.name.endswith("_s")]
    return float(min(max(min(times) / 4, SHORTEST_TICK_S), LONGEST_TICK_S))


def allow_descriptors(connections: int) -> None:
    """Raise the soft limit of open descriptors, if it is in the way and the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * connections + OTHER_DESCRIPTORS
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
