"""Waits in each engine, told by perf(1), too: they agree within a tenth.

Nothing that perf is asked comes from a trace.  How long the client pauses it sees by the client's
own calls, and how long the serving thread then slept by the scheduler: from the switch to the
waking, however long the thread wants a processor afterwards.  So a busy machine makes both longer.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from fivefold import Settings
from fivefold.iomodels import ENGINES
from fivefold.iomodels.interface import IOModel
from fivefold.linux.processes import threads_of_tree
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.model import DISK, NETWORK, WAIT, Trace
from fivefold.tracing.request.own_client import Manner
from fivefold.tracing.request.session import Session
from fivefold.tracing.steps.timeline import Timeline
from support.every_pair import why_not
from support.perf import (
    ENTER,
    EXIT,
    PerfEvent,
    Span,
    calls,
    events_of,
    overlapping,
    perf_of_threads,
    refusals,
    sleeps,
)
from support.timelines import kept_timelines
from support.witness import THROTTLE, disk_of, throttled, worker_of

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available())),
    pytest.mark.skipif(shutil.which("perf") is None, reason="perf is not installed"),
]

OF_SOCKETS, OF_PAGES = ("recvfrom", "sendto", "sendfile64"), ("preadv2",)
"""Calls that move bytes, which may be refused."""
TRIES = {"nonblocking"}
"""Engines that try again and again while they wait; the threads of the others sleep."""
OF_CLIENT = ("clock_nanosleep", "recvmsg")
WATCHED = [
    f"{side}{call}" for side in (ENTER, EXIT) for call in (*OF_SOCKETS, *OF_PAGES, *OF_CLIENT)
]

LARGE, HUGE = 300_000, 6_000_000
LATE_S = 0.1
"""Long next to the time for which a thread wants a processor on a busy machine: it sleeps for the
rest."""
BYTES_PER_S = 1_000_000
"""Of the disk: it takes tenths of a second."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "large").write_bytes(os.urandom(LARGE))
    (folder / "huge").write_bytes(bytes(HUGE))
    return folder


class Witnessed:
    """What perf saw of requests by a client that sends late and reads late, one after the other."""

    def __init__(self, events: list[PerfEvent], server: int, client: int, engine: str) -> None:
        self._events, self._server, self._engine = events, server, engine
        self.pauses = [
            (begun, ended)
            for begun, ended in calls(events, client, "clock_nanosleep")
            if ended - begun > 0.9e9 * LATE_S
        ]
        """Two of each request: before its last byte, and before its answer is read."""
        self._sent = [begun for begun, _ in calls(events, client, "sendto")]
        self._received = [ended for _, ended in calls(events, client, "recvmsg")]

    def waited(self, tries: tuple[str, ...]) -> list[Span]:
        if self._engine in TRIES:
            return list(refusals(self._events, self._server, tries))
        return list(sleeps(self._events, self._server))

    def first_byte(self, pause: Span) -> int:
        return max(at for at in self._sent if at < pause[0])

    def answered(self, pauses: tuple[Span, Span]) -> Span:
        """From the last byte of a request to the last of its answer."""
        later = [begun for begun, _ in self.pauses if begun > pauses[1][1]]
        until = later[0] if later else self._events[-1].at_ns
        return pauses[0][1], max(at for at in self._received if at < until)


def waits_of(trace: Trace, timeline: Timeline, io: str) -> list[Span]:
    """By our lane, on the monotonic clock."""
    waits = [one for one in trace.lanes[0].segments if (one.phase, one.io) == (WAIT, io)]
    starts = [timeline.start_ns + round(one.start_us * 1e3) for one in waits]
    return [(at, at + round(one.duration_us * 1e3)) for at, one in zip(starts, waits, strict=True)]


def length_ns(spans: list[Span]) -> int:
    return sum(ended - begun for begun, ended in spans)


@dataclass
class Waited:
    """Requests to one engine by a client that sends and reads late: from memory, and then from a
    disk that the kernel's throttle makes slow, where there is one."""

    traces: list[Trace]
    timelines: list[Timeline]
    perf: Witnessed


def wait_in_all(engines: list[str], folder: Path, data: Path) -> dict[str, Waited]:
    """One engine after the other, while perf looks at all of their servers."""
    disk = disk_of(folder) if THROTTLE.exists() else None
    manner, client = Manner(sends_late_s=LATE_S, reads_late_s=LATE_S), threading.get_native_id()
    with ExitStack() as stack, kept_timelines() as timelines:
        sessions = [
            stack.enter_context(
                Session(Settings(target=str(folder), serving="async", io=io), manner=manner)
            )
            for io in engines
        ]
        for session in sessions:
            session.request("/large")
        threads = set().union(*(threads_of_tree(each._server.pid) for each in sessions))
        found = []
        with perf_of_threads(WATCHED, threads | {client}, data):
            for session in sessions:
                begun, made = time.monotonic_ns(), len(timelines)
                traces = [session.request("/huge")]
                if disk is not None:
                    with throttled({worker_of(session)}, disk, BYTES_PER_S):
                        traces.append(session.request("/large", cold=True))
                window = begun, time.monotonic_ns()
                found.append((worker_of(session), traces, timelines[made:], window))
    events = events_of(data)
    return {
        io: Waited(traces, made, Witnessed(within(events, window), server, client, io))
        for io, (server, traces, made, window) in zip(engines, found, strict=True)
    }


def within(events: list[PerfEvent], window: Span) -> list[PerfEvent]:
    return [one for one in events if window[0] <= one.at_ns <= window[1]]


@pytest.fixture(scope="module")
def waited(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Waited]:
    """perf takes seconds to begin and to end; those that try all the time would leave no room."""
    data = tmp_path_factory.mktemp("perf") / "perf.data"
    runnable = [engine.engine for engine in ENGINES if not why_not(engine)]
    sleeping = wait_in_all([io for io in runnable if io not in TRIES], folder, data)
    return sleeping | wait_in_all([io for io in runnable if io in TRIES], folder, data)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.engine)
def test_the_waits_for_a_late_client_and_a_slow_disk_are_as_perf_has_them(
    engine: type[IOModel], waited: dict[str, Waited]
) -> None:
    if reason := why_not(engine):
        pytest.skip(reason)
    found = waited[engine.engine]
    perf, traces, seen = found.perf, found.traces, found.timelines
    assert len(perf.pauses) == 2 * len(traces)

    sends, reads, *cold = perf.pauses
    ours = waits_of(traces[0], seen[0], NETWORK)
    first = perf.first_byte(sends)
    for pause, least in ((sends, first), (reads, 0)):
        theirs = overlapping(perf.waited(OF_SOCKETS), pause, least)
        assert overlapping(ours, pause, least) == pytest.approx(theirs, rel=0.1)
        assert theirs > 0.2e9 * LATE_S

    if len(traces) > 1:
        begin, end = perf.answered((cold[0], cold[1]))
        asleep = [one for one in perf.waited(OF_PAGES) if begin <= one[0] and one[1] <= end]
        theirs = length_ns(asleep)
        assert length_ns(waits_of(traces[1], seen[1], DISK)) == pytest.approx(theirs, rel=0.1)
        assert theirs > 0.5e9 * LARGE / BYTES_PER_S
