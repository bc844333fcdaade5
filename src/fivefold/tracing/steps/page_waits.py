"""Whether the pages of a file were in memory, by what the server could see without rights.

Facts.
    cachestat(2) tells it when a file is opened, but not to every user and not on every kernel.
    Models that must not sleep in a call find out before they send: what is not in memory
    they wait for first, and tell so.  A thread that sleeps in the call itself has only its
    counters, and these say that a disk was read, not how long that took.

Choice.
    A refusal is no answer: what cachestat did not say was neither there nor missing.
"""

from __future__ import annotations

from ..kernel.disk_waits import Wait
from ..model import Observation
from .timeline import Timeline

BEGUN, ENDED = "pages.begin", "pages.end"


def waits_for_pages(timeline: Timeline) -> list[Wait]:
    """When the server waited for pages before it sent them."""
    begun = [one.at_ns for one in timeline.of(BEGUN)]
    ended = [one.at_ns for one in timeline.of(ENDED)]
    return list(zip(begun, ended, strict=False))  # a request that broke off ends no wait


def counted(timeline: Timeline) -> bool:
    """Whether the counters of the serving thread saw a disk."""
    return bool(timeline.counted("read_bytes") or timeline.counted("blocks_read"))


def seen_missing(timeline: Timeline) -> Observation | None:
    """What cachestat told, if pages were missing by it."""
    stat = timeline.first("cachestat")
    if stat is None or "cached" not in stat.detail:
        return None
    return stat if stat.detail["cached"] < stat.detail["pages"] else None


def pages_missing(timeline: Timeline) -> bool:
    """Whether the file had to be read, as far as anything here tells."""
    waited = timeline.first(BEGUN) is not None
    return waited or seen_missing(timeline) is not None or counted(timeline)


def refused(timeline: Timeline) -> str | None:
    """Why cachestat told nothing; None if it did, or was not asked."""
    stat = timeline.first("cachestat")
    return None if stat is None else stat.detail.get("refused")
