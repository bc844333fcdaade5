"""The thread that served a request, as its waits and copies are found: who it is, when it slept,
and what its I/O model calls a wait.

Choice.
    With the kernel's events a wait is a sleep, from the switch with which it began to the waking;
    from there to its processor the thread wants to run, and waits for nobody else.  A thread that
    tries again and again sleeps between two tries as well: it waits until one is not refused.

Assumption.
    Without the kernel's events a blocking call that slept is cut by the processor's clock: it slept
    first, and copied then for as long as it needed the processor.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...inspection.phrases import counted
from ...iomodels.interface import Traits
from ..kernel.off_cpu import off_cpu
from ..model import Observation
from .intervals import ASLEEP, NO_PROCESSOR, Interval, IoPhase
from .sending import CALLS, REFUSED, SLEEP_BY_CLOCK_US, Part
from .summary import in_content
from .timeline import Timeline

SLEEP_US = 20.0
"""A call of which less was asleep has not slept: two clocks were read. Being woken takes as long:
less is no wait for a processor."""

RUNNABLE = "wants a processor"
FOR_NEITHER = "asleep for neither I/O"
"""In the application, mostly: it sleeps itself, or a thread of a pool runs it."""

Span = tuple[int, int]
"""From and to, in nanoseconds."""

CALL_NAMES = {"sendfile64": "sendfile"}
REFUSABLE = frozenset(begun for begun, _ in CALLS)
"""Calls that models make which must not sleep: these are refused instead."""

UNSEEN_CALLS = {"recv": "recv", "send": "send", "send_file": "send", "read_file": "read"}
"""Operations of which no call is seen: the kernel, or glibc's threads, make them."""


class ServingThread:
    """Of one exchange."""

    def __init__(self, timeline: Timeline, traits: Traits, descriptors: int) -> None:
        """`descriptors`: how many the model watched."""
        self.timeline = timeline
        self.traits = traits
        self.descriptors = descriptors
        entered = timeline.first("content.enter")
        # What is read after a refusal is thrown away.
        asked = entered or timeline.first("send.begin")
        received = timeline.last("recv.end", before=asked.at_ns if asked else None)
        self.received_ns = received.at_ns if received else timeline.start_ns
        bodies = [one.ended for one in in_content(timeline, "recv") if brings(one.ended)]
        self.whole_ns = bodies[-1].at_ns if bodies else self.received_ns
        """When all had come that content asked for: the rest of a request, messages."""
        served = entered or received
        self.tid = served.detail.get("tid") if served else None
        self.process = served.detail.get("pid") if served else None
        self.is_scheduled = timeline.is_scheduled
        spans = list(off_cpu(timeline.all, self.tid or 0, timeline.end_ns, timeline.start_ns))
        self._asleep = [(one.start_ns, one.end_ns) for one in spans if not one.runnable]
        self._wanting = [(one.start_ns, one.end_ns) for one in spans if one.runnable]
        self.tries = "{tries}" in traits.wait
        """Whether it tries again and again while it waits."""

    def interval(self, start: int, end: int, kind: IoPhase, label: str, moved: int = 0) -> Interval:
        """No longer than the exchange."""
        begin, over = self.timeline.start_ns, self.timeline.end_ns
        return Interval(max(begin, start), min(over, end), kind, label, moved)

    def wanting(self) -> Iterator[Interval]:
        """When all that it lacked was a processor."""
        for start, end in long_enough(self._wanting, self.timeline.start_ns, self.timeline.end_ns):
            yield self.interval(start, end, NO_PROCESSOR, RUNNABLE)

    def sleeping(self) -> Iterator[Interval]:
        """When it slept, whatever for; below the waits of which that is known."""
        for start, end in long_enough(self._asleep, self.timeline.start_ns, self.timeline.end_ns):
            yield self.interval(start, end, ASLEEP, FOR_NEITHER)

    def waits_between(self, start: int, end: int) -> list[Span]:
        """When it slept between two moments; all the time, where the scheduler is not asked."""
        if self.tries or not self.is_scheduled:
            return [(start, end)] if end > start else []
        return long_enough(self._asleep, start, end)

    def sleeps_in(self, part: Part) -> list[Span]:
        """When it slept in a call or an operation."""
        if self.is_scheduled:
            return long_enough(self._asleep, part.begun.at_ns, part.ended.at_ns)
        if self.traits.overlaps and part.begun.event in REFUSABLE:
            return []  # it is refused instead
        until = self.slept_until(part)
        is_sleep = (until - part.begun.at_ns) / 1000 > SLEEP_BY_CLOCK_US
        return [(part.begun.at_ns, until)] if is_sleep else []

    def slept_until(self, part: Part) -> int:
        """By the processor's clock: the copy is at the end of it."""
        return part.ended.at_ns - part.processor_ns

    def label(self, call: str, start: int, end: int) -> str:
        """What a wait in this call is named."""
        event = "sendfile64" if call == "sendfile" else call
        refused = [
            one
            for one in self.timeline.of(f"{event}.exit", after=start, before=end)
            if one.detail.get("error") == REFUSED
        ]
        tries = counted(len(refused), "try", "tries") if refused else "no try"
        return self.traits.wait.format(call=call, tries=tries, descriptors=self.descriptors)


def brings(received: Observation) -> bool:
    """Whether a receive brought something: not the end of the connection, nor of the patience."""
    return bool(received.detail.get("bytes")) and "error" not in received.detail


def long_enough(spans: list[Span], start: int, end: int) -> list[Span]:
    """What of them lies between two moments, where that is worth a segment."""
    cut = [(max(begun, start), min(ended, end)) for begun, ended in spans]
    return [(begun, ended) for begun, ended in cut if (ended - begun) / 1000 > SLEEP_US]


def name_of(part: Part) -> str:
    """The call, or the operation of which no call is seen."""
    name = part.begun.event.partition(".")[0]
    return CALL_NAMES.get(name) or UNSEEN_CALLS.get(name) or name
