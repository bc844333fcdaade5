"""A whole request in each engine, told by perf(1), too: the same calls, in the same order, at the
same times; and waits that agree within a tenth.

perf has a ring of its own, and the scheduler's word for when a thread slept.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fivefold import Settings
from fivefold.iomodels import ENGINES
from fivefold.linux.processes import processes_of_tree
from fivefold.linux.tracepoints import tracefs
from fivefold.serving import MODELS
from fivefold.tracing.kernel.events import recorded
from fivefold.tracing.model import COPY, FILE, REQUEST, RESPONSE, WAIT, WORK, Segment, Trace
from fivefold.tracing.request.own_client import AT_ONCE, Manner
from fivefold.tracing.request.session import Session
from fivefold.tracing.steps.timeline import Timeline
from support.measured_again import measured_again
from support.perf import ENTER, EXIT, PerfEvent, asleep_ns, events_of, perf, refused_ns
from support.witness import THROTTLE, disk_of, throttled, worker_of

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available())),
    pytest.mark.skipif(shutil.which("perf") is None, reason="perf is not installed"),
]

WATCHED = [event for event in recorded("threads") if event.startswith(ENTER)]
TRIED = {REQUEST: ["recvfrom"], RESPONSE: ["sendto", "sendfile64"], FILE: ["preadv2"]}
REFUSED = {"nonblocking": TRIED}
"""By engine whose thread is awake while it waits, and by what it waits for: which calls it tries
again and again.  The threads of the others sleep."""
MOVING = [f"{EXIT}{call}" for calls in TRIED.values() for call in calls]
"""Whose results tell whether a try was refused."""

LARGE, HUGE = 300_000, 6_000_000
LATE_S = 0.03
BYTES_PER_S = 1_000_000
"""Of the disk: it takes tenths of a second, beside which it is little what waking up costs."""
ONE_EVENT_NS = 50_000
"""The kernel tells each ring of an event in its turn, under the same thread."""

Call = tuple[str, int]
"""Name, and when it was entered (monotonic nanoseconds)."""

CASES = [("async", engine) for engine in ENGINES] + [
    (serving, engine)
    for serving in MODELS
    if serving != "async"
    for engine in ENGINES
    if engine.engine in {"blocking", "epoll"}
]
IN_EACH = pytest.mark.parametrize(
    ("serving", "engine"), CASES, ids=[f"{serving}-{e.engine}" for serving, e in CASES]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "large").write_bytes(os.urandom(LARGE))
    (folder / "huge").write_bytes(bytes(HUGE))
    return folder


class Traced:
    """One request, as we tell of it and as perf does."""

    def __init__(self, trace: Trace, timeline: Timeline, events: list[PerfEvent]) -> None:
        """`events`: by perf, without what serving threads wrote to the tracer."""
        self.trace, self.timeline, self.witnessed = trace, timeline, events

    @classmethod
    def of(
        cls,
        settings: Settings,
        paths: Sequence[str],
        timelines: list[Timeline],
        data: Path,
        *,
        manner: Manner = AT_ONCE,
        cold: bool = False,
    ) -> list[Traced]:
        """Requests for these, one after the other; `cold`: of the last one from a slow disk."""
        with Session(settings, manner=manner) as session:
            session.request(paths[0])
            with perf([*WATCHED, *MOVING], processes_of_tree(session._server.pid), data):
                traces = [session.request(path) for path in (paths[:-1] if cold else paths)]
                if cold:
                    disk = disk_of(Path(settings.target))
                    assert disk
                    with throttled({worker_of(session)}, disk, BYTES_PER_S):
                        traces.append(session.request(paths[-1], cold=True))
            assert not [note for trace in traces for note in trace.notes if "lost" in note]
            records = f"fd: 0x{session._pipe.writing_end:08x},"
        events = [one for one in events_of(data) if not one.fields.startswith(records)]
        seen = timelines[-len(traces) :]
        return [cls(trace, line, events) for trace, line in zip(traces, seen, strict=True)]

    @property
    def ours(self) -> dict[int, list[Call]]:
        """By thread; of threads of the server."""
        begin, end = self.timeline.start_ns, self.timeline.end_ns
        threads = {one.thread for one in self.witnessed}
        return self.by_thread(
            (seen.detail["tid"], seen.event, seen.at_ns)
            for seen in self.timeline.within(begin, end)
            if seen.event in WATCHED and seen.detail["tid"] in threads
        )

    @property
    def theirs(self) -> dict[int, list[Call]]:
        """Without what the tracer did itself, when it read its counters."""
        begin, end = self.timeline.start_ns, self.timeline.end_ns
        reading = [
            (one.detail["tid"], one.at_ns, one.detail["until_ns"])
            for one in self.timeline.of("accounting")
        ]
        return self.by_thread(
            (one.thread, one.event, one.at_ns)
            for one in self.witnessed
            if one.event in WATCHED
            and begin <= one.at_ns <= end
            and not any(tid == one.thread and a <= one.at_ns <= b for tid, a, b in reading)
        )

    @staticmethod
    def by_thread(calls: Iterator[tuple[int, str, int]]) -> dict[int, list[Call]]:
        found: dict[int, list[Call]] = {}
        for tid, event, at_ns in calls:
            found.setdefault(tid, []).append((event.removeprefix(ENTER), at_ns))
        return found

    def waited(self, part: str) -> tuple[float, float]:
        """Microseconds of waiting in a part: in our lane, and as perf has it.

        For the disk perf is asked from the wait before to the one behind, or to where the lane's
        work begins and ends: between them nobody waits, and a wait that we make too short is not
        cut off there.  What a thread wanted to run meanwhile is little beside so long a wait; it is
        not beside those for the client, where perf is asked from our own begin to our own end.
        """
        lane = self.trace.lanes[0]
        assert lane.thread is not None
        own = [one for one in lane.segments if one.phase in {WAIT, COPY, WORK}]
        waits = [one for one in own if (one.phase, one.part) == (WAIT, part)]
        assert waits
        begin, end = waits[0].start_us, ended(waits[-1])
        if part == FILE:
            others = [one for one in own if one.phase == WAIT and one.part != part]
            before = [at for one in others if (at := ended(one)) <= begin]
            behind = [one.start_us for one in others if one.start_us >= end]
            begin, end = max([own[0].start_us, *before]), min([ended(own[-1]), *behind])
        start_ns = self.timeline.start_ns
        span = start_ns + round(begin * 1000), start_ns + round(end * 1000)
        refused = REFUSED.get(self.trace.pair["engine"])
        if refused is None:
            waited = asleep_ns(self.witnessed, lane.thread, *span)
        else:
            waited = refused_ns(self.witnessed, lane.thread, *span, refused[part])
        return sum(one.duration_us for one in waits), waited / 1000


def ended(segment: Segment) -> float:
    return segment.start_us + segment.duration_us


def settings_of(serving: str, engine: Any, folder: Path) -> Settings:
    if engine.available() is not None:
        pytest.skip(engine.available())
    return Settings(target=str(folder), serving=serving, io=engine.engine)


@IN_EACH
def test_perf_saw_the_same_calls_of_every_thread_in_the_same_order_at_the_same_times(
    serving: str, engine: Any, folder: Path, tmp_path: Path, timelines: list[Timeline]
) -> None:
    settings = settings_of(serving, engine, folder)
    (traced,) = Traced.of(settings, ["/large"], timelines, tmp_path / "perf.data")
    ours, theirs = traced.ours, traced.theirs
    assert traced.trace.lanes[0].thread in ours
    for tid, calls in ours.items():
        assert [name for name, _ in calls] == [name for name, _ in theirs[tid]]
        for (_, mine_ns), (_, perfs_ns) in zip(calls, theirs[tid], strict=True):
            assert abs(mine_ns - perfs_ns) < ONE_EVENT_NS


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.engine)
@measured_again
def test_the_waits_for_a_late_client_and_a_slow_disk_are_as_perf_has_them(
    engine: Any, folder: Path, tmp_path: Path, timelines: list[Timeline]
) -> None:
    """The disk is slow by the kernel's throttle; where there is none, only the client is."""
    settings = settings_of("async", engine, folder)
    late = Manner(sends_late_s=LATE_S, reads_late_s=LATE_S)
    can = THROTTLE.exists() and disk_of(folder) is not None
    paths = ["/huge", "/large"] if can else ["/huge"]
    found = Traced.of(settings, paths, timelines, tmp_path / "perf.data", manner=late, cold=can)
    for part in (REQUEST, RESPONSE):
        ours, perfs = found[0].waited(part)
        assert ours == pytest.approx(perfs, rel=0.1)
        assert perfs > 0.5 * LATE_S * 1e6
    for cold in found[1:]:
        ours, perfs = cold.waited(FILE)
        assert ours == pytest.approx(perfs, rel=0.1)
        assert perfs > 0.5e6 * LARGE / BYTES_PER_S
