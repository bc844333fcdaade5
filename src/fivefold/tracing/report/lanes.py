"""Several threads, or one under several I/O models, as lanes on one axis: what all forms share.

A lane is a bar, and below it its sentences: what was waited for, in what, how long, and then
copied.  They say what the bar cannot, because a copy of a few microseconds is no wider than a hair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..model import COPY, FILE, PROCESSOR, REQUEST, RESPONSE, REST, WAIT, WORK, Lane, Segment, Trace
from .labels import amount, duration, io_of

PARTS = ((REQUEST, "request"), (FILE, "file"), (RESPONSE, "response"))
"""In the order in which they come, with their names."""

MOST_WAITS = 3
"""Different waits of one part that are named; of the rest there is the sum."""


@dataclass(frozen=True)
class Drawn:
    """A lane with its name in this picture."""

    title: str
    lane: Lane


@dataclass(frozen=True)
class LaneAxis:
    """What is drawn, in microseconds of the trace; it may begin before the first byte."""

    start_us: float
    end_us: float

    @property
    def length_us(self) -> float:
        return max(self.end_us - self.start_us, 1e-3)

    def at(self, us: float) -> float:
        """From 0 to 1."""
        return min(max((us - self.start_us) / self.length_us, 0.0), 1.0)


def drawn(traces: Sequence[Trace]) -> list[Drawn]:
    """The serving thread of each trace, or all lanes of those that have several."""
    is_of_serving = any(lane.marks for trace in traces for lane in trace.lanes)
    return [
        Drawn(f"{trace.pair['serving']}: {lane.name}" if is_of_serving else io_of(trace), lane)
        for trace in traces
        for lane in trace.lanes
    ]


def axis_of(lanes: Sequence[Drawn]) -> LaneAxis:
    ends = [
        (one.start_us, one.start_us + one.duration_us)
        for each in lanes
        for one in each.lane.segments
    ]
    ends += [(mark.at_us, mark.at_us) for each in lanes for mark in each.lane.marks]
    if not ends:
        return LaneAxis(0.0, 0.0)
    return LaneAxis(min(start for start, _ in ends), max(end for _, end in ends))


def whose(lane: Lane) -> str:
    """ "process 12, thread 14"."""
    if lane.thread is None:
        return ""
    return f"process {lane.process or 'unknown'}, thread {lane.thread}"


def sentences(lane: Lane) -> list[tuple[str, str]]:
    """For each part of the exchange: its name, and "waited ..., then ..."."""
    said = [(name, part_of(lane, part)) for part, name in PARTS]
    said.append(("", unattributed(lane)))
    said += [("at " + duration(mark.at_us), mark.label) for mark in lane.marks]
    return [(name, words) for name, words in said if words]


def part_of(lane: Lane, part: str) -> str:
    waits = summed_up(one for one in lane.segments if (one.part, one.phase) == (part, WAIT))
    copies = summed_up(one for one in lane.segments if (one.part, one.phase) == (part, COPY))
    waited = [f"{label} {duration(one.us)}" for label, one in waits[:MOST_WAITS]]
    if len(waits) > MOST_WAITS:
        rest = sum(one.us for _, one in waits[MOST_WAITS:])
        waited.append(f"other waits {duration(rest)}")
    copied = [f"{label} {amount(one.bytes)}, {duration(one.us)}" for label, one in copies]
    words = ["; ".join(waited)] if waited else []
    if copied:
        words.append(f"{'then copy: ' if waited else 'copy: '}{'; '.join(copied)}")
    return ", ".join(words)


def unattributed(lane: Lane) -> str:
    """What is part of neither I/O, for lanes that show only that."""
    others = [one for one in lane.segments if not one.part]
    if len(others) < len(lane.segments):
        others = [one for one in others if one.phase in {WORK, REST} or is_own(one)]
    return "; ".join(f"{label} {duration(one.us)}" for label, one in summed_up(others))


def is_own(wait: Segment) -> bool:
    """Whether it lies in the exchange; what precedes that was no wait of it."""
    return wait.io == PROCESSOR or wait.start_us >= 0


@dataclass
class Sum:
    us: float = 0.0
    bytes: int = 0


def summed_up(segments: Iterable[Segment]) -> list[tuple[str, Sum]]:
    """By what it was, the longest first."""
    sums: dict[str, Sum] = {}
    for one in segments:
        each = sums.setdefault(one.label, Sum())
        each.us += one.duration_us
        each.bytes += one.bytes
    return sorted(sums.items(), key=lambda item: -item[1].us)


def ink_of(segment: Segment) -> str:
    """Whose colour, and which character, it has."""
    if segment.phase == WAIT:
        return f"wait-{segment.io or 'other'}"
    return {COPY: "copy", REST: "rest"}.get(segment.phase, "work")


INKS = {
    "wait-network": "waits for the network",
    "wait-disk": "waits for the disk",
    "wait-other": "asleep",
    "wait-processor": "wants a processor",
    "tick": "refused, or a signal",
    "copy": "copies",
    "work": "computes",
    "rest": "is done",
}
"""What is drawn, and what the legend says of it; what comes later is drawn on top."""

LAYERS = ("rest", "work", "wait-other", "wait-processor", "wait-network", "wait-disk", "copy")
