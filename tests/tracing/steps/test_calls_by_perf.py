"""The system calls of a whole request in each engine, told by perf(1), too: the same, in the same
order, at the same times.  perf has a ring of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fivefold import Settings
from fivefold.iomodels.interface import IOModel
from fivefold.linux.processes import processes_of_tree
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.kernel.events import recorded
from fivefold.tracing.model import Trace
from fivefold.tracing.request.session import Session
from fivefold.tracing.steps.timeline import Timeline
from support.every_pair import every_engine, why_not
from support.perf import ENTER, PerfEvent, events_of, perf
from support.timelines import kept_timelines

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available())),
    pytest.mark.skipif(shutil.which("perf") is None, reason="perf is not installed"),
]

WATCHED = [event for event in recorded("threads") if event.startswith(ENTER)]
LARGE = 300_000
ONE_EVENT_NS = 50_000
"""The kernel tells each ring of an event in its turn, under the same thread."""

PATH = "/large"

Ran = tuple[str, str]
"""A serving model and an engine."""
Call = tuple[str, int]
"""Name, and when it was entered (monotonic nanoseconds)."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "large").write_bytes(os.urandom(LARGE))
    return folder


class CallsSeenTwice:
    """Of one request, by our own events and by perf's."""

    def __init__(self, trace: Trace, timeline: Timeline, events: list[PerfEvent]) -> None:
        """`events`: by perf, without what serving threads wrote to the tracer."""
        self.trace, self.timeline, self.witnessed = trace, timeline, events

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


def run_all(engines: list[Ran], folder: Path, data: Path) -> dict[Ran, CallsSeenTwice]:
    """One request to each, one after the other, while perf looks at all of their servers."""
    with ExitStack() as stack, kept_timelines() as timelines:
        sessions = [
            stack.enter_context(Session(Settings(target=str(folder), serving=serving, io=io)))
            for serving, io in engines
        ]
        for session in sessions:
            session.request(PATH)
        del timelines[:]
        servers = [processes_of_tree(session._server.pid) for session in sessions]
        with perf(WATCHED, set().union(*servers), data):
            traces = [session.request(PATH) for session in sessions]
        ends = [f"fd: 0x{session._pipe.writing_end:08x}," for session in sessions]
    events = events_of(data)
    return {
        ran: CallsSeenTwice(trace, timeline, [e for e in events if not e.fields.startswith(end)])
        for ran, trace, timeline, end in zip(engines, traces, timelines, ends, strict=True)
    }


@pytest.fixture(scope="module")
def seen_twice(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Ran, CallsSeenTwice]:
    """perf takes seconds to begin and to end, so it looks at many servers at once; at the one that
    makes calls all the time by itself, since it would have no room for others."""
    data = tmp_path_factory.mktemp("perf") / "perf.data"
    cases = every_engine().args[1]
    runnable = [(serving, e.engine) for serving, e in (c.values for c in cases) if not why_not(e)]
    restless = [ran for ran in runnable if ran[1] == "nonblocking"]
    seen = run_all([ran for ran in runnable if ran not in restless], folder, data)
    return seen | run_all(restless, folder, data)


@every_engine()
def test_perf_saw_the_same_calls_of_every_thread_in_the_same_order_at_the_same_times(
    serving: str, engine: type[IOModel], seen_twice: dict[Ran, CallsSeenTwice]
) -> None:
    seen = seen_twice[serving, engine.engine]
    assert not [note for note in seen.trace.notes if "lost" in note]
    ours, theirs = seen.ours, seen.theirs
    assert seen.trace.lanes[0].thread in ours
    for tid, calls in ours.items():
        assert [name for name, _ in calls] == [name for name, _ in theirs[tid]]
        for (_, mine_ns), (_, perfs_ns) in zip(calls, theirs[tid], strict=True):
            assert abs(mine_ns - perfs_ns) < ONE_EVENT_NS
