"""How a connection came to the thread that serves it: the threads and processes as lanes.

Facts.
    The kernel's events tell for each thread when it slept, in which call, who woke it, when it got
    a processor, what it accepted, whom it forked, and that it sent a message to another process: a
    descriptor goes from one process to another in a message (SCM_RIGHTS, unix(7)).

Choice.
    Shown are the threads that accepted, forked, handed over or served; the others of the server
    have no part in it.  A thread of which nothing was seen before it was woken was asleep, in the
    call that it then returned from.

Assumption.
    Between the client's connect and its last byte the server has no other client.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..kernel.belonging import ENTER, EXIT
from ..kernel.off_cpu import SWITCH, WAKING, has_processor, off_cpu
from ..model import PROCESSOR, WAIT, WORK, Lane, Mark, Observation, Segment
from .serving_thread import RUNNABLE

SCHEDULER = (WAKING, SWITCH)
RUNS = "runs"
ACCEPTS, FORKS, HANDS_OVER, GETS = "accepts", "forks", "hands over", ""
ROLES = (ACCEPTS, FORKS, HANDS_OVER)
"""What a thread does for the connection of another; in the order of a name."""


class ThreadsSpan(NamedTuple):
    """Nanoseconds: of the client's connect, of its last byte, and where the trace's own time
    begins."""

    connecting_ns: int
    end_ns: int
    zero_ns: int


class ThreadLanes:
    """Of one exchange."""

    def __init__(
        self,
        serving: Lane,
        events: Iterable[Observation],
        threads: Iterable[int],
        span: ThreadsSpan,
    ) -> None:
        """`threads`: the server's."""
        self._serving = serving
        self._threads = frozenset(threads)
        start_ns, end_ns = span.connecting_ns, span.end_ns
        self._start_ns, self._end_ns, self._zero_ns = start_ns, end_ns, span.zero_ns
        self._events = [one for one in events if start_ns <= one.at_ns <= end_ns]
        self._process_of = {
            one.detail["tid"]: one.detail["pid"]
            for one in self._events
            if "pid" in one.detail and one.detail.get("context", "task") == "task"
        }

    def others(self) -> tuple[Lane, ...]:
        """The threads that had a part in it, but for the one that serves, in order."""
        lanes = [(tid, self._roles(tid)) for tid in sorted(self._threads - {self._serving.thread})]
        return tuple(
            Lane(
                " and ".join(roles),
                self._process_of.get(tid),
                tid,
                tuple(self._segments(tid, self._end_ns)),
                self._marks(tid),
            )
            for tid, roles in lanes
            if roles
        )

    def completed(self) -> Lane:
        """The serving thread, with what it did before the first byte of the request."""
        serving = self._serving
        tid = serving.thread or 0
        roles = self._roles(tid)
        return Lane(
            " and ".join([*roles, "serves"]) if roles else serving.name,
            serving.process,
            serving.thread,
            (*self._segments(tid, self._zero_ns), *serving.segments),
            self._marks(tid),
        )

    def _us(self, at_ns: int) -> float:
        return (at_ns - self._zero_ns) / 1000

    def _by(self, tid: int) -> Iterator[Observation]:
        for one in self._events:
            if one.detail["tid"] == tid and one.detail.get("context", "task") == "task":
                yield one

    def _roles(self, tid: int) -> list[str]:
        done = {role for role, _ in self._deeds(tid)}
        return [role for role in ROLES if role in done]

    def _marks(self, tid: int) -> tuple[Mark, ...]:
        """The first of each: a thread that is awake already may be woken again."""
        first: dict[str, Mark] = {}
        for _, mark in self._deeds(tid):
            first.setdefault(mark.label, mark)
        return tuple(first.values())

    def _deeds(self, tid: int) -> Iterator[tuple[str, Mark]]:
        """What it did for the connection, by its role."""
        sends = False
        serving = self._serving.thread
        for one in self._by(tid):
            fields, at_us = one.detail["fields"], self._us(one.at_ns)
            if one.event == f"{EXIT}accept4" and fields["ret"] >= 0:
                yield ACCEPTS, Mark(at_us, f"accept4 gives descriptor {fields['ret']}")
            elif one.event == f"{EXIT}recvmsg" and fields["ret"] >= 0 and tid == serving:
                yield GETS, Mark(at_us, "recvmsg gives the descriptor")
            elif one.event == "sched:sched_process_fork":
                yield FORKS, Mark(at_us, f"starts {fields['child_pid']}")
            elif one.event == WAKING and fields.get("pid") == serving != tid:
                how = "hands the descriptor over by sendmsg: " if sends else ""
                yield HANDS_OVER, Mark(at_us, f"{how}wakes thread {serving}")
            sends = one.event == f"{ENTER}sendmsg" or (sends and one.event != f"{EXIT}sendmsg")

    def _segments(self, tid: int, until_ns: int) -> Iterator[Segment]:
        at = self._start_ns
        for start, end, why in self._off_cpu(tid, until_ns):
            if start > at:
                yield self._segment(at, start, WORK, RUNS)
            begun = max(at, start)
            if end > begun:
                yield self._segment(begun, end, WAIT, why)
                at = end
        if until_ns > at:
            yield self._segment(at, until_ns, WORK, RUNS)

    def _segment(self, start: int, end: int, phase: str, label: str) -> Segment:
        io = PROCESSOR if label == RUNNABLE else ""
        return Segment(phase, io, "", self._us(start), (end - start) / 1000, label)

    def _off_cpu(self, tid: int, until_ns: int) -> Iterator[tuple[int, int, str]]:
        first = self._first_seen(tid)
        asleep_until = until_ns if first is None else min(first.at_ns, until_ns)
        if first is None or first.event in SCHEDULER or first.event.startswith(EXIT):
            yield self._start_ns, asleep_until, self._asleep_in(tid, self._start_ns)
            got = min(self._first_processor(tid), until_ns)
            yield asleep_until, got, RUNNABLE
        else:
            asleep_until = self._start_ns
        spans = [s for s in off_cpu(self._events, tid, until_ns) if s.start_ns < until_ns]
        for span in spans:
            label = RUNNABLE if span.runnable else self._asleep_in(tid, span.start_ns)
            yield max(span.start_ns, asleep_until), min(span.end_ns, until_ns), label

    def _first_seen(self, tid: int) -> Observation | None:
        for one in self._events:
            fields = one.detail["fields"]
            about = one.event in SCHEDULER and tid in {fields.get("pid"), fields.get("next_pid")}
            if about or (one.detail["tid"] == tid and one.event.startswith("syscalls:")):
                return one
        return None

    def _first_processor(self, tid: int) -> int:
        """When the thread got one for the first time."""
        for one in self._events:
            if has_processor(one, tid):
                return one.at_ns
        return self._end_ns

    def _asleep_in(self, tid: int, at_ns: int) -> str:
        """By the call that it had entered, or returned from afterwards."""
        entered = None
        for one in self._by(tid):
            if one.at_ns <= at_ns and one.event.startswith(ENTER):
                entered = one.event.removeprefix(ENTER)
            elif one.at_ns <= at_ns and one.event.startswith(EXIT):
                entered = None
            elif one.at_ns > at_ns and one.event.startswith(EXIT) and entered is None:
                entered = one.event.removeprefix(EXIT)
                break
            elif one.at_ns > at_ns and one.event.startswith(ENTER):
                break
        return f"asleep in {entered}" if entered else "asleep"
