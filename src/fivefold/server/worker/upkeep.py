"""What the process of a worker needs besides its pair: descriptors enough, little garbage
collection, and something to be done at intervals."""

from __future__ import annotations

import dataclasses
import gc
import resource
from collections.abc import Callable, Iterable

from ...http1.limits import Limits
from ...isolation.reporting import logger, report

log = logger("fivefold.server")

OTHER_DESCRIPTORS = 1024
"""Open files, pipes and listeners, besides two descriptors for each connection."""

SHORTEST_TICK_S, LONGEST_TICK_S = 0.02, 1.0
"""How exactly deadlines are kept: a quarter of the shortest, within these bounds."""

CONTAINERS = 10_000
"""50,000 would gain 5 % more, and would keep five times the garbage."""

_at_start = gc.get_threshold()


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


def ticking(calls: Iterable[Callable[[], None]]) -> Callable[[], None]:
    """All of `calls` as one that raises nothing: an I/O model has no edge around its tick, and
    what fails there would take the worker along.  A failure is said once, until it is over."""
    failing = dict.fromkeys(calls, False)

    def ticked() -> None:
        for call, failed in failing.items():
            try:
                call()
            except BaseException as error:  # noqa: BLE001 - an edge: the next tick tries again
                if not failed:
                    report(
                        log, "a periodic task of the server failed; it is tried again", error=error
                    )
                failing[call] = True
            else:
                failing[call] = False

    return ticked


def collect_less_often() -> None:
    """How often a worker looks for garbage in cycles. Called when the application is loaded.

    Facts.        CPython looks whenever 700 more containers were made than freed (gc module;
                  2,000 from Python 3.13 on).  With 512 requests waiting at once each look finds
                  them all alive, and looks again at their elders: a quarter of the processor time
                  of an ASGI application that sleeps (`bench`, family `sleep`).
    Choice.       A look every 10,000 containers, unless the application has a threshold of its
                  own or none.
    Cost.         Cycles that an application leaves behind live up to fourteen times as long.
    """
    young, *elder = gc.get_threshold()
    if (young, *elder) == _at_start and 0 < young < CONTAINERS:
        gc.set_threshold(CONTAINERS, *elder)
