"""Times in which a request waited, was copied or worked on, laid over each other.

Several things are seen of the same moment: a wait for the disk hides the call in which it
happened, a wait for the client the operation, a copy what is around it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..model import COPY, DISK, FILE, NETWORK, PROCESSOR, REQUEST, RESPONSE, REST, WAIT, WORK


class IoPhase(NamedTuple):
    phase: str
    io: str
    part: str


REQUEST_WAIT, REQUEST_COPY = IoPhase(WAIT, NETWORK, REQUEST), IoPhase(COPY, NETWORK, REQUEST)
FILE_WAIT, FILE_COPY = IoPhase(WAIT, DISK, FILE), IoPhase(COPY, DISK, FILE)
RESPONSE_WAIT, RESPONSE_COPY = IoPhase(WAIT, NETWORK, RESPONSE), IoPhase(COPY, NETWORK, RESPONSE)
NO_PROCESSOR = IoPhase(WAIT, PROCESSOR, "")
ASLEEP = IoPhase(WAIT, "", "")
OWN_WORK = IoPhase(WORK, "", "")
NOTHING = IoPhase(REST, "", "")


@dataclass(frozen=True)
class Interval:
    start_ns: int
    end_ns: int
    kind: IoPhase
    label: str
    bytes: int = 0
    ticks_ns: tuple[int, ...] = ()


def laid_over(layers: Iterable[Iterable[Interval]]) -> list[Interval]:
    """What is seen from above, in order: a layer hides those after it."""
    seen: list[Interval] = []
    for layer in layers:
        for one in sorted(layer, key=lambda interval: interval.start_ns):
            seen += uncovered(one, seen)
    return sorted(seen, key=lambda interval: interval.start_ns)


def uncovered(one: Interval, above: list[Interval]) -> list[Interval]:
    """The parts of an interval that none of the others hides; the last one has its bytes."""
    free, at = [], one.start_ns
    for other in sorted(above, key=lambda interval: interval.start_ns):
        if other.end_ns <= at or other.start_ns >= one.end_ns:
            continue
        if other.start_ns > at:
            free.append(replace(one, start_ns=at, end_ns=other.start_ns, bytes=0))
        at = max(at, other.end_ns)
    if at < one.end_ns:
        free.append(replace(one, start_ns=at))
    elif free:
        free[-1] = replace(free[-1], bytes=one.bytes)
    return free
