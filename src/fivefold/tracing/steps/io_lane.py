"""The serving thread as a lane: where it waited, by what its I/O model waits in, and then copied.

Facts.
    A request is moved twice, over the network and from the disk, and each time there is a wait
    until the kernel has the data, then a copy.  The five I/O models differ in the wait alone.

Choice.
    Intervals are found for each kind, from what was seen, and laid over each other: a wait for the
    disk hides the call in which it happened, a wait for the client the operation, a copy what is
    around it.  What is left was the thread's own work (Python, HTTP, the application).
    What a wait is called comes from the traits of the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...iomodels import engines
from ...iomodels.interface import Traits
from ..model import Lane, Observation, Segment
from .assembling import is_from_memory
from .disk_intervals import DiskIntervals
from .intervals import (
    NOTHING,
    OWN_WORK,
    REQUEST_WAIT,
    RESPONSE_WAIT,
    Interval,
    laid_over,
)
from .network_intervals import NetworkIntervals
from .sending import OPERATIONS, REFUSED
from .serving_thread import ServingThread
from .timeline import Timeline

TRAITS: dict[str, Traits] = {engine.engine: engine.traits for engine in engines()}
"""By the engine's name, as a trace has it."""

ALL_SENT = "all is with the kernel"


def io_lane(timeline: Timeline, engine: str, descriptors: int) -> Lane:
    """`descriptors`: how many the model watched."""
    return _IoLane(ServingThread(timeline, TRAITS[engine], descriptors)).lane()


class _IoLane:
    def __init__(self, thread: ServingThread) -> None:
        self._thread = thread
        self._network, self._disk = NetworkIntervals(thread), DiskIntervals(thread)

    def lane(self) -> Lane:
        timeline = self._thread.timeline
        # What comes first hides what comes later.
        wanting = list(self._thread.wanting())
        waits = [list(self._disk.waits()), list(self._network.waits())]
        layers = [
            # One that tries again and again waits until it need not, whoever has the processor.
            *([*waits, wanting] if self._thread.tries else [wanting, *waits]),
            [*self._network.copies(), *self._disk.copies()],
            list(self._rest()),
            list(self._thread.sleeping()),
            [self._thread.interval(timeline.start_ns, timeline.end_ns, OWN_WORK, self._work)],
        ]
        seen = [self._with_ticks(one) for one in laid_over(layers)]
        segments = tuple(map(self._segment, seen))
        return Lane("serves the connection", self._thread.process, self._thread.tid, segments)

    def _with_ticks(self, one: Interval) -> Interval:
        if one.kind not in {REQUEST_WAIT, RESPONSE_WAIT}:
            return one
        within = self._thread.timeline.within(one.start_ns, one.end_ns)
        return replace(one, ticks_ns=tuple(seen.at_ns for seen in within if is_tick(seen)))

    def _rest(self) -> Iterator[Interval]:
        """The client may still read, or not yet, when all is given to the kernel."""
        sent = self._thread.timeline.last(*(ended for _, ended in OPERATIONS))
        if sent is not None and sent.at_ns < self._thread.timeline.end_ns:
            yield self._thread.interval(sent.at_ns, self._thread.timeline.end_ns, NOTHING, ALL_SENT)

    @property
    def _work(self) -> str:
        if is_from_memory(self._thread.timeline):
            return "answered from memory"
        return "computes" if self._thread.is_scheduled else "computes or sleeps"

    def _segment(self, one: Interval) -> Segment:
        start, end = self._thread.timeline.us(one.start_ns), self._thread.timeline.us(one.end_ns)
        ticks = tuple(map(self._thread.timeline.us, one.ticks_ns))
        return Segment(*one.kind, start, end - start, one.label, one.bytes, ticks)


def is_tick(seen: Observation) -> bool:
    """Whether a wait met this: a try that was refused, a signal."""
    refused = seen.detail.get("error") == REFUSED and seen.event.endswith(".exit")
    return refused or seen.event == "signal:signal_generate"
