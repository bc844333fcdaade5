"""The response on its way to the kernel: copied, or waiting until the client takes more.

Facts.
    A send that finds no room ends early or is refused, and the next one comes when there is
    room.  A blocking call sleeps instead, in the middle of the call; sendfile(2) sleeps for
    the disk as well.  Rings and glibc's threads show no calls at all, only an operation that
    begins and ends.  Copying needs a processor, sleeping does not.

Choice.
    A copy is what a send needed of a processor.  A wait for the client is the time between
    two calls of one operation, the first of which met a full buffer, in which its thread did not
    run, and what a call (or an operation
    without calls) took besides its copy, less the waits for pages, and less what the scheduler
    took where the kernel's events tell.  A call that slept where they do not, while pages of the
    file were missing, slept for the disk or for the client: that sleep counts for neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from ..kernel.disk_waits import Wait, spent
from ..kernel.off_cpu import off_cpu
from ..model import Observation
from .page_waits import pages_missing, refused
from .timeline import Timeline

CALLS = (("sendto.enter", "sendto.exit"), ("sendfile64.enter", "sendfile64.exit"))
OPERATIONS = (("send.begin", "send.end"), ("send_file.begin", "send_file.end"))
OF_FILES = ("sendfile64.exit", "send_file.end")
SENDING = "sendto.enter"
REFUSED = "EAGAIN"
CLOCK = "processor_ns"

SLEEP_BY_CLOCK_US = 500.0
"""A call is known to have slept if it took so much longer than it needed a processor, where the
kernel's events are not seen: a thread that wants a processor has not got one for as long (it has
just woken its client, perhaps), and nothing tells that from a sleep."""


@dataclass(frozen=True)
class Sending:
    """Nanoseconds."""

    copied_ns: int
    waited_ns: int


@dataclass(frozen=True)
class Part:
    """A call, or an operation of a connection: from and to."""

    begun: Observation
    ended: Observation

    @property
    def took_ns(self) -> int:
        return self.ended.at_ns - self.begun.at_ns

    @property
    def processor_ns(self) -> int:
        """All of it where that clock was not read: only a wait that was seen is one."""
        if CLOCK not in self.begun.detail or CLOCK not in self.ended.detail:
            return self.took_ns
        return min(self.took_ns, int(self.ended.detail[CLOCK]) - int(self.begun.detail[CLOCK]))


def sending(timeline: Timeline, disk: list[Wait]) -> Sending:
    """`disk`: when the request waited for a disk."""
    operations = list(parts(timeline, OPERATIONS))
    calls = list(parts(timeline, CALLS))
    seen = calls or operations
    between = sum(_between(operation, calls, disk) for operation in operations)
    asleep = _asleep(timeline, [one for one in seen if _is_attributable(one, timeline)], disk)
    return Sending(sum(part.processor_ns for part in seen), asleep + between)


def parts(timeline: Timeline, kinds: Iterable[tuple[str, str]]) -> Iterator[Part]:
    """Those that ended, in order."""
    ends = {ended: begun for begun, ended in kinds}
    open_since: dict[str, Observation] = {}
    for seen in timeline.all:
        if seen.event in ends.values():
            open_since[seen.event] = seen
        elif seen.event in ends and ends[seen.event] in open_since:
            yield Part(open_since.pop(ends[seen.event]), seen)


def _is_attributable(part: Part, timeline: Timeline) -> bool:
    """Whether its sleep can be told to be for the client."""
    if part.ended.event not in OF_FILES:
        return True
    if timeline.is_scheduled:
        return True
    # Others than the serving thread did it, and its counters know nothing of them.
    blind = refused(timeline) is not None and part.ended.event == "send_file.end"
    return not blind and not pages_missing(timeline)


def _asleep(timeline: Timeline, seen: list[Part], disk: list[Wait]) -> int:
    """Nanoseconds in which these neither ran, nor could have, nor waited for a disk."""
    end_ns = timeline.all[-1].at_ns
    tids = {int(part.begun.detail.get("tid", 0)) for part in seen}
    spans = {tid: list(off_cpu(timeline.all, tid, end_ns)) for tid in tids}
    total = 0
    for part in seen:
        start, end = part.begun.at_ns, min(part.ended.at_ns, max(part.begun.at_ns, timeline.end_ns))
        off = spans[int(part.begun.detail.get("tid", 0))]
        others = [*disk, *((one.start_ns, one.end_ns) for one in off if one.runnable)]
        asleep = max(0, end - start - part.processor_ns - spent(others, start, end))
        if timeline.is_scheduled:  # two clocks were read: less than it slept was no wait
            total += min(asleep, sum(s.within(start, end) for s in off if not s.runnable))
        elif asleep / 1000 > SLEEP_BY_CLOCK_US:
            total += asleep
    return total


def _between(operation: Part, calls: list[Part], disk: list[Wait]) -> int:
    start, end = operation.begun.at_ns, operation.ended.at_ns
    own = [one for one in calls if start <= one.begun.at_ns and one.ended.at_ns <= end]
    return sum(_waited(gap, disk) for gap in waits_between(own))


def waits_between(calls: list[Part]) -> Iterator[Part]:
    """Between two calls of one operation, where the first one met a full buffer: it was refused, or
    took less than it was given, and the same call is made again."""
    for one, later in pairwise(calls):
        again = one.begun.event == later.begun.event == SENDING
        if one.ended.detail.get("error") == REFUSED or again:
            yield Part(one.ended, later.begun)


def _waited(gap: Part, disk: list[Wait]) -> int:
    """Between two calls a thread may also compute: find out about pages, start a helper."""
    computed = gap.processor_ns if CLOCK in gap.begun.detail else 0
    return max(0, gap.took_ns - computed - spent(disk, gap.begun.at_ns, gap.ended.at_ns))
