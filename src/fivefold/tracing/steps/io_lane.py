"""The serving thread as a lane: where it waited, by what its I/O model waits in, and then copied.

Facts.
    A request is moved twice, over the network and from the disk, and each time there is a wait
    until the kernel has the data, then a copy.  The five I/O models differ in the wait alone.

Choice.
    Intervals are found for each kind, from what was seen, and laid over each other: a wait for the
    disk hides the call in which it happened, a wait for the client the operation, a copy what is
    around it.  What is left was the thread's own work (Python, HTTP, the application).
    What a wait is called comes from the traits of the engine.

Assumption.
    Without the kernel's events a blocking call that slept is cut by the processor's clock: it slept
    first, and copied then for as long as it needed the processor.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from ...iomodels import engines
from ...iomodels.interface import Traits
from ..kernel.belonging import EXIT
from ..kernel.disk_waits import PAGES, disk_waits
from ..kernel.off_cpu import off_cpu
from ..model import (
    COPY,
    DISK,
    FILE,
    NETWORK,
    REQUEST,
    RESPONSE,
    REST,
    WAIT,
    WORK,
    Lane,
    Observation,
    Segment,
)
from .assembling import is_from_memory
from .page_waits import pages_missing, waits_for_pages
from .sending import CALLS, OPERATIONS, REFUSED, SENDING, Part, parts
from .summary import ARRIVED, RECEIVING
from .timeline import Timeline

TRAITS: dict[str, Traits] = {engine.engine: engine.traits for engine in engines()}
"""By the engine's name, as a trace has it."""

SLEEP_US = 20.0
"""A call of which less was asleep has not slept: two clocks were read."""

SLEEP_BY_CLOCK_US = 500.0
"""The same without the kernel's events: a thread that wants a processor has not got one for as
long, and nothing tells that from a sleep."""

CALL_NAMES = {"sendfile64": "sendfile"}
REFUSABLE = frozenset(begun for begun, _ in CALLS)
"""Calls that models make which must not sleep: these are refused instead."""

SENT = ("client.send.enter", "client.send.exit")
"""The server may have it before the client's call has returned."""

UNATTRIBUTED = "{}, for the disk or for the client: only the kernel's events tell"

UNSEEN_CALLS = {"recv": "recv", "send": "send", "send_file": "send", "read_file": "read"}
"""Operations of which no call is seen: the kernel, or glibc's threads, make them."""


class IoPhase(NamedTuple):
    phase: str
    io: str
    part: str


REQUEST_WAIT, REQUEST_COPY = IoPhase(WAIT, NETWORK, REQUEST), IoPhase(COPY, NETWORK, REQUEST)
FILE_WAIT, FILE_COPY = IoPhase(WAIT, DISK, FILE), IoPhase(COPY, DISK, FILE)
RESPONSE_WAIT, RESPONSE_COPY = IoPhase(WAIT, NETWORK, RESPONSE), IoPhase(COPY, NETWORK, RESPONSE)
OWN_WORK = IoPhase(WORK, "", "")
NOTHING = IoPhase(REST, "", "")
ALL_SENT = "all is with the kernel, and the client reads"


@dataclass(frozen=True)
class Interval:
    start_ns: int
    end_ns: int
    kind: IoPhase
    label: str
    bytes: int = 0
    ticks_ns: tuple[int, ...] = ()


def io_lane(timeline: Timeline, engine: str, descriptors: int) -> Lane:
    """`descriptors`: how many the model watched."""
    return _IoLane(timeline, TRAITS[engine], descriptors).lane()


class _IoLane:
    def __init__(self, timeline: Timeline, traits: Traits, descriptors: int) -> None:
        self._timeline = timeline
        self._traits = traits
        self._descriptors = descriptors
        entered = timeline.first("content.enter")
        received = timeline.last("recv.end", before=entered.at_ns if entered else None)
        self._received_ns = received.at_ns if received else timeline.start_ns
        served = entered or received
        self._tid = served.detail.get("tid") if served else None
        self._process = served.detail.get("pid") if served else None
        self._is_scheduled = timeline.first("sched:sched_switch") is not None
        self._asleep = [
            (span.start_ns, span.end_ns)
            for span in off_cpu(timeline.all, self._tid or 0, timeline.end_ns)
            if not span.runnable
        ]

    def lane(self) -> Lane:
        timeline = self._timeline
        # What comes first hides what comes later.
        layers = [
            list(self._disk_waits()),
            list(self._network_waits()),
            list(self._copies()),
            list(self._rest()),
            [self._interval(timeline.start_ns, timeline.end_ns, OWN_WORK, self._work)],
        ]
        seen = [self._with_ticks(one) for one in laid_over(layers)]
        segments = tuple(map(self._segment, seen))
        return Lane("serves the connection", self._process, self._tid, segments)

    def _with_ticks(self, one: Interval) -> Interval:
        if one.kind not in {REQUEST_WAIT, RESPONSE_WAIT}:
            return one
        within = self._timeline.within(one.start_ns, one.end_ns)
        return replace(one, ticks_ns=tuple(seen.at_ns for seen in within if is_tick(seen)))

    def _rest(self) -> Iterator[Interval]:
        """The client may still read when all is given to the kernel."""
        sent = self._timeline.last(*(ended for _, ended in OPERATIONS))
        if sent is not None and sent.at_ns < self._timeline.end_ns:
            yield self._interval(sent.at_ns, self._timeline.end_ns, NOTHING, ALL_SENT)

    @property
    def _work(self) -> str:
        return "answered from memory" if is_from_memory(self._timeline) else "computes"

    def _segment(self, one: Interval) -> Segment:
        start, end = self._timeline.us(one.start_ns), self._timeline.us(one.end_ns)
        ticks = tuple(map(self._timeline.us, one.ticks_ns))
        return Segment(*one.kind, start, end - start, one.label, one.bytes, ticks)

    def _interval(
        self, start: int, end: int, kind: IoPhase, label: str, moved: int = 0
    ) -> Interval:
        begin, over = self._timeline.start_ns, self._timeline.end_ns
        return Interval(max(begin, start), min(over, end), kind, label, moved)

    # The disk

    def _disk_waits(self) -> Iterator[Interval]:
        timeline = self._timeline
        waits = [*waits_for_pages(timeline), *disk_waits(timeline.all, timeline.end_ns)]
        if not waits and pages_missing(timeline):
            waits = [(one.begun.at_ns, self._slept_until(one)) for one in self._reads()]
        for start, end in waits:
            yield self._interval(start, end, FILE_WAIT, self._disk_label(start, end))

    def _disk_label(self, start: int, end: int) -> str:
        refused = [
            one
            for one in self._timeline.of(f"{EXIT}preadv2", after=start, before=end)
            if one.detail["fields"].get("ret", 0) < 0
        ]
        label = self._traits.disk_wait.format(
            call=self._call_at(start), tries=len(refused) or "some", descriptors=self._descriptors
        )
        others = {
            one.detail["tid"]
            for one in self._timeline.of(PAGES, after=start, before=end)
            if one.detail["tid"] != self._tid
        }
        return f"{label} (thread {min(others)})" if others else label

    def _reads(self) -> Iterator[Part]:
        return parts(self._timeline, [("read_file.begin", "read_file.end")])

    def _call_at(self, at_ns: int) -> str:
        """The call or the operation in which the thread was then."""
        for part in parts(self._timeline, [*CALLS, ("read_file.begin", "read_file.end")]):
            if part.begun.at_ns <= at_ns <= part.ended.at_ns:
                return name_of(part)
        return "read"

    # The network

    def _network_waits(self) -> Iterator[Interval]:
        yield from self._waits_for_request()
        yield from self._waits_for_room()

    def _waits_for_request(self) -> Iterator[Interval]:
        since = self._timeline.start_ns
        label = self._label("recvfrom", since, self._received_ns)
        for copy in self._received():
            if since > self._timeline.start_ns:  # until it asks again it has something to do
                asked = self._timeline.first("recv.begin", after=since, before=copy.start_ns)
                since = asked.at_ns if asked else since
            if copy.start_ns > since:
                yield self._interval(since, copy.start_ns, REQUEST_WAIT, label)
            since = copy.end_ns
            if since >= self._received_ns:
                return

    def _waits_for_room(self) -> Iterator[Interval]:
        """From a call that met a full buffer to the one that found room; and sleeps in a call."""
        calls = list(parts(self._timeline, CALLS))
        for operation in parts(self._timeline, OPERATIONS):
            own = [
                one
                for one in calls
                if operation.begun.at_ns <= one.begun.at_ns
                and one.ended.at_ns <= operation.ended.at_ns
            ]
            yield from self._waits_between(own)
            for one in own or [operation]:
                for span in self._sleeps_in(one):
                    yield self._waits_in(name_of(one), *span)

    def _waits_between(self, calls: list[Part]) -> Iterator[Interval]:
        since: int | None = None
        for one, later in pairwise(calls):
            is_refused = one.ended.detail.get("error") == REFUSED
            if since is None and is_refused:
                since = one.begun.at_ns
            elif since is None and one.begun.event == later.begun.event == SENDING:
                since = one.ended.at_ns
            if since is not None and later.ended.detail.get("error") != REFUSED:
                yield self._waits_in(name_of(later), since, later.begun.at_ns)
                since = None

    def _waits_in(self, call: str, start: int, end: int) -> Interval:
        label = self._label(call, self._received_ns, self._timeline.end_ns)
        if not self._is_scheduled and call == "sendfile" and pages_missing(self._timeline):
            label = UNATTRIBUTED.format(label)
        return self._interval(start, end, RESPONSE_WAIT, label)

    def _sleeps_in(self, part: Part) -> list[tuple[int, int]]:
        if self._is_scheduled:
            spans = [
                (max(start, part.begun.at_ns), min(end, part.ended.at_ns))
                for start, end in self._asleep
            ]
            return [(start, end) for start, end in spans if (end - start) / 1000 > SLEEP_US]
        if self._traits.overlaps and part.begun.event in REFUSABLE:
            return []  # it is refused instead
        until = self._slept_until(part)
        long_enough = (until - part.begun.at_ns) / 1000 > SLEEP_BY_CLOCK_US
        return [(part.begun.at_ns, until)] if long_enough else []

    def _slept_until(self, part: Part) -> int:
        """By the processor's clock: the copy is at the end of it."""
        return part.ended.at_ns - part.processor_ns

    def _label(self, call: str, start: int, end: int) -> str:
        event = "sendfile64" if call == "sendfile" else call
        refused = [
            one
            for one in self._timeline.of(f"{event}.exit", after=start, before=end)
            if one.detail.get("error") == REFUSED
        ]
        return self._traits.wait.format(
            call=call, tries=len(refused), descriptors=self._descriptors
        )

    # Copies

    def _copies(self) -> Iterator[Interval]:
        yield from self._received()
        for read in self._reads():
            yield self._copy(read, FILE_COPY, "read")
        sent = list(parts(self._timeline, CALLS)) or list(parts(self._timeline, OPERATIONS))
        for part in sent:
            if not part.ended.detail.get("error"):
                yield self._copy(part, RESPONSE_COPY, name_of(part))

    def _copy(self, part: Part, kind: IoPhase, label: str) -> Interval:
        moved = int(part.ended.detail.get("bytes", 0))
        return self._interval(part.begun.at_ns, part.ended.at_ns, kind, label, moved)

    def _received(self) -> list[Interval]:
        """The receives that brought the request, each from where the bytes were there."""
        timeline = self._timeline
        calls = [
            one
            for one in timeline.of("recvfrom.exit", before=self._received_ns)
            if one.detail.get("bytes")
        ]
        ended = calls or timeline.of("recv.end", before=self._received_ns)
        entered = {part.ended.at_ns: part.begun.at_ns for part in parts(timeline, RECEIVING)}
        found, since = [], timeline.start_ns
        for one in ended:
            start = self._copied_from(one, since, entered.get(one.at_ns))
            label, moved = one.event.partition(".")[0], int(one.detail.get("bytes", 0))
            copy = self._interval(start, one.at_ns, REQUEST_COPY, label, moved)
            found.append(copy)
            since = one.at_ns
        return found

    def _copied_from(self, ended: Observation, since: int, entered: int | None) -> int:
        """When the thread began to copy what a receive brought."""
        timeline, span = self._timeline, {"after": since, "before": ended.at_ns}
        copied = timeline.first("skb:skb_copy_datagram_iovec", **span)
        if copied is not None:
            return max(copied.at_ns, entered or since)
        arrived = timeline.last(*ARRIVED, *SENT, **span)
        start = max(entered or since, arrived.at_ns if arrived else since)
        begun = timeline.last("recvfrom.enter", **span) if entered else None
        return max(start, self._slept_until(Part(begun, ended))) if begun else start


def is_tick(seen: Observation) -> bool:
    """Whether a wait met this: a try that was refused, a signal."""
    refused = seen.detail.get("error") == REFUSED and seen.event.endswith(".exit")
    return refused or seen.event == "signal:signal_generate"


def name_of(part: Part) -> str:
    name = part.begun.event.partition(".")[0]
    return CALL_NAMES.get(name) or UNSEEN_CALLS.get(name) or name


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
