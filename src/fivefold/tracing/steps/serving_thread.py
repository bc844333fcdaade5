"""The thread that served a request, as its waits and copies are found: who it is, when it slept,
and what its I/O model calls a wait.

Assumption.
    Without the kernel's events a blocking call that slept is cut by the processor's clock: it slept
    first, and copied then for as long as it needed the processor.
"""

from __future__ import annotations

from ...inspection.phrases import counted
from ...iomodels.interface import Traits
from ..kernel.off_cpu import off_cpu
from .intervals import Interval, IoPhase
from .sending import CALLS, REFUSED, Part
from .timeline import Timeline

SLEEP_US = 20.0
"""A call of which less was asleep has not slept: two clocks were read."""

SLEEP_BY_CLOCK_US = 500.0
"""The same without the kernel's events: a thread that wants a processor has not got one for as
long, and nothing tells that from a sleep."""

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
        received = timeline.last("recv.end", before=entered.at_ns if entered else None)
        self.received_ns = received.at_ns if received else timeline.start_ns
        served = entered or received
        self.tid = served.detail.get("tid") if served else None
        self.process = served.detail.get("pid") if served else None
        self.is_scheduled = timeline.first("sched:sched_switch") is not None
        self._asleep = [
            (span.start_ns, span.end_ns)
            for span in off_cpu(timeline.all, self.tid or 0, timeline.end_ns)
            if not span.runnable
        ]

    def interval(self, start: int, end: int, kind: IoPhase, label: str, moved: int = 0) -> Interval:
        """No longer than the exchange."""
        begin, over = self.timeline.start_ns, self.timeline.end_ns
        return Interval(max(begin, start), min(over, end), kind, label, moved)

    def sleeps_in(self, part: Part) -> list[tuple[int, int]]:
        """When it slept in a call or an operation."""
        if self.is_scheduled:
            spans = [
                (max(start, part.begun.at_ns), min(end, part.ended.at_ns))
                for start, end in self._asleep
            ]
            return [(start, end) for start, end in spans if (end - start) / 1000 > SLEEP_US]
        if self.traits.overlaps and part.begun.event in REFUSABLE:
            return []  # it is refused instead
        until = self.slept_until(part)
        long_enough = (until - part.begun.at_ns) / 1000 > SLEEP_BY_CLOCK_US
        return [(part.begun.at_ns, until)] if long_enough else []

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


def name_of(part: Part) -> str:
    """The call, or the operation of which no call is seen."""
    name = part.begun.event.partition(".")[0]
    return CALL_NAMES.get(name) or UNSEEN_CALLS.get(name) or name
