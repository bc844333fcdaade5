"""When a thread did not run: asleep, or waiting for a processor.

Facts.
    `sched:sched_switch` says which thread leaves a processor, in which state, and which one
    gets it; `sched:sched_waking` says that a sleeping thread may run again.  A thread that
    leaves in state R was pushed aside and still wants to run.  A waking may be recorded just
    before the switch that it ends (the other processor was that fast), or while the thread has
    not gone to sleep yet and will not.  State D is a sleep that no signal ends.
    The kernel does not tell of every switch (seen with Linux 6.18: of none that an idle processor
    makes, nor of whom interrupts wake there): a quiet machine hides what a busy one shows.

Choice.
    Runnable is the time from waking, or from being pushed aside, to getting a processor.
    The work of waking is in it (about 10 us each here; schedstat's run delay is without).
    A thread of which nothing was seen before it was woken slept until then, one that got a
    processor before anything else of it was seen had been woken.
    Whatever a thread does, it has a processor for: what it does first ends a sleep, or a wait for a
    processor, the end of which was not seen.  It comes hardly later, as the call in which a thread
    slept tells when it returns.

Assumption.
    A thread whose switch was not seen, and which then only computes, is said to want a processor
    until it does something that is seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..model import Observation
from .belonging import ENTER, EXIT, OF_THREADS, ROUNDED_NS, SCHEDULER

SWITCH, WAKING = "sched:sched_switch", "sched:sched_waking"

RUNNABLE = "runnable"
UNSEEN = "asleep since before"


@dataclass(frozen=True)
class Span:
    """A thread off its processor; `why` is RUNNABLE or the state that it slept in."""

    why: str
    start_ns: int
    end_ns: int

    @property
    def runnable(self) -> bool:
        """Whether all that it lacked was a processor."""
        return self.why == RUNNABLE

    def within(self, start_ns: int, end_ns: int) -> int:
        """How much of it lies between two moments."""
        return max(0, min(self.end_ns, end_ns) - max(self.start_ns, start_ns))


def run_queue_ns(observations: Iterable[Observation], tid: int, start_ns: int, end_ns: int) -> int:
    """How long the thread could have run, had it had a processor."""
    spans = off_cpu(observations, tid, end_ns, start_ns)
    return sum(span.within(start_ns, end_ns) for span in spans if span.runnable)


def off_cpu(
    observations: Iterable[Observation], tid: int, end_ns: int, since_ns: int | None = None
) -> Iterator[Span]:
    """The spans in which a thread did not run, until `end_ns`; they do not overlap.

    `since_ns`: from when on the observations are whole; None: what was before the first that is
    about the thread is not asked.
    """
    thread = _Thread(tid, since_ns)
    for seen in observations:
        if seen.event == WAKING and seen.detail["fields"].get("pid") == tid:
            yield from thread.woken(seen.at_ns)
        elif seen.event == SWITCH:
            yield from thread.switched(seen)
        elif seen.detail.get("tid") == tid:
            yield from thread.did(seen)
    yield from thread.left(end_ns)


def has_processor(seen: Observation, tid: int) -> bool:
    """Whether this shows that the thread has one from now on."""
    if seen.event == SWITCH:
        return bool(seen.detail["fields"].get("next_pid") == tid)
    return bool(seen.detail.get("tid") == tid)


def is_within_call(seen: Observation) -> bool:
    """Whether a thread of which this is the first that was seen had entered a call before: it may
    have slept in it."""
    if seen.event.startswith(EXIT):
        return True
    return seen.event in OF_THREADS and not seen.event.startswith((ENTER, SCHEDULER))


class _Thread:
    """Where one thread is: on a processor (or unknown), asleep, or runnable."""

    def __init__(self, tid: int, since_ns: int | None) -> None:
        self._tid = tid
        self._why: str | None = None if since_ns is None else UNSEEN
        """None: on a processor, or not asked."""
        self._since = since_ns or 0
        self._woken_early = False
        self._first_woken_ns: int | None = None
        """Of one that was not seen before: whether it slept or ran then, its next event says."""

    def did(self, seen: Observation) -> Iterator[Span]:
        """What only a thread does that has a processor."""
        if self._why is None:
            if seen.event.startswith(EXIT):  # of the call in which it was going to sleep
                self._woken_early = False
            return
        if seen.event not in OF_THREADS and seen.at_ns < self._since + ROUNDED_NS:
            return  # of another recording, or by our clock: it may have come before the switch
        if self._why == UNSEEN and not is_within_call(seen):
            self._ran()
        else:
            yield from self._runs(seen.at_ns)

    def _ran(self) -> None:
        """It has until now, if nothing else was seen."""
        if self._why == UNSEEN:
            self._why = None
            self._woken_early = self._first_woken_ns is not None

    def woken(self, at_ns: int) -> Iterator[Span]:
        if self._why is None:
            self._woken_early = True
        elif self._why == UNSEEN:
            self._first_woken_ns = self._first_woken_ns or at_ns
        elif self._why != RUNNABLE:
            yield from self._becomes(RUNNABLE, at_ns)

    def switched(self, seen: Observation) -> Iterator[Span]:
        fields = seen.detail["fields"]
        if fields.get("prev_pid") == self._tid:
            self._ran()
            state = str(fields["prev_state"])
            yield from self._becomes(RUNNABLE if state in {"R", "R+"} else state, seen.at_ns)
        elif fields.get("next_pid") == self._tid:
            if self._why == UNSEEN and self._first_woken_ns is None:
                self._first_woken_ns = self._since
            yield from self._runs(seen.at_ns)

    def left(self, at_ns: int) -> Iterator[Span]:
        if self._why == UNSEEN and self._first_woken_ns is not None:
            yield from self._runs(at_ns)
        self._ran()
        yield from self._becomes(None, max(at_ns, self._since))

    def _runs(self, at_ns: int) -> Iterator[Span]:
        if self._why == UNSEEN and self._first_woken_ns is not None:
            yield from self._becomes(RUNNABLE, self._first_woken_ns)
        elif self._why not in {None, RUNNABLE} and self._woken_early:
            self._why = RUNNABLE  # not woken afterwards: it was woken before it slept
        self._woken_early = False
        yield from self._becomes(None, at_ns)

    def _becomes(self, why: str | None, at_ns: int) -> Iterator[Span]:
        if self._why is not None:
            yield Span(self._why, self._since, at_ns)
        self._why, self._since = why, at_ns
        if why == RUNNABLE:
            self._woken_early = False
