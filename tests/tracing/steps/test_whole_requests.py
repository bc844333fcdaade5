"""The system calls of a whole request, told by the kernel's events and by strace(1).

strace stops every thread at every call by ptrace(2), which knows nothing of trace events.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from fivefold import Settings
from fivefold.linux.processes import processes_of_tree, threads_of_tree
from fivefold.linux.timestamping import realtime_offset_ns
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.kernel.events import recorded
from fivefold.tracing.request.session import Session
from fivefold.tracing.steps.timeline import Timeline
from support.every_pair import every_engine
from support.witness import witness

ENTER = "syscalls:sys_enter_"
OTHER_NAMES = {"newfstat": "fstat", "sendfile64": "sendfile"}
"""The kernel's names of calls that strace calls by theirs."""

CLOCKS_APART_NS = 1_000_000
"""What reading two clocks one after the other may miss, where the reader is interrupted."""

Call = tuple[str, int]
"""Name, and when it was entered (monotonic nanoseconds)."""


def name_of(event: str) -> str:
    name = event.removeprefix(ENTER)
    return OTHER_NAMES.get(name, name)


WATCHED = [name_of(event) for event in recorded("threads") if event.startswith(ENTER)]
STRACE = re.compile(r"^(\d+) +(\d+\.\d+) (\w+)\((.*)")
"""A call that begins; "<... resumed>" is the end of one that did not return at once."""

COUNTERS = '"/proc/thread-self/'
"""The tracer reads them in the serving thread, and that is no part of the request."""

RECORD = re.compile(r'\d+, "\{\\"')
"""The serving thread writes to the tracer what it saw, a line of JSON."""


def seen_by_strace(log: Path, offset_ns: int) -> dict[int, list[Call]]:
    """Without the tracer's own: the thread's counters opened and read, its records written."""
    threads: dict[int, list[Call]] = {}
    counting: set[int] = set()
    for line in log.read_text(errors="replace").splitlines():
        found = STRACE.match(line)
        if not found or found[3] not in WATCHED:
            continue
        tid, name = int(found[1]), found[3]
        if name == "write" and RECORD.match(found[4]):
            continue
        if COUNTERS in found[4]:
            counting.add(tid)
        elif name == "read" and tid in counting:
            counting.discard(tid)
        else:
            at_ns = round(float(found[2]) * 1e9) - offset_ns
            threads.setdefault(tid, []).append((name, at_ns))
    return threads


def seen_by_the_kernel(timeline: Timeline, tids: set[int]) -> dict[int, list[Call]]:
    threads: dict[int, list[Call]] = {}
    for seen in timeline.within(timeline.start_ns, timeline.end_ns):
        if seen.event.startswith(ENTER) and seen.detail["tid"] in tids:
            calls = threads.setdefault(seen.detail["tid"], [])
            calls.append((name_of(seen.event), seen.at_ns))
    return threads


@pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@every_engine()
def test_strace_saw_the_same_calls_of_every_thread_in_the_same_order_at_the_same_times(
    serving: str, engine: Any, tmp_path: Path, timelines: list[Timeline]
) -> None:
    (tmp_path / "small").write_bytes(bytes(5000))
    (tmp_path / "large").write_bytes(bytes(300_000))
    log = tmp_path / "strace"
    settings = Settings(target=str(tmp_path), serving=serving, io=engine.engine)
    with Session(settings) as session:
        session.request("/small")
        asked = [f"--attach={pid}" for pid in processes_of_tree(session._server.pid)]
        with witness(["strace", "-f", "-ttt", *asked], "attached", log):
            trace = session.request("/large")
            offset_ns = realtime_offset_ns()
            tids = threads_of_tree(session._server.pid)
    assert not trace.notes, "what was lost cannot agree"
    ours = seen_by_the_kernel(timelines[-1], tids)
    theirs = seen_by_strace(log, offset_ns)
    assert ours
    for tid, calls in ours.items():
        agree(calls, theirs[tid])


def agree(ours: list[Call], theirs: list[Call]) -> None:
    """strace stops a thread just before the kernel tells of its call, and after the one before."""
    name, first_ns = ours[0]
    begin = max(i for i, call in enumerate(theirs) if call[0] == name and call[1] <= first_ns)
    same = theirs[begin : begin + len(ours)]
    assert [call[0] for call in same] == [call[0] for call in ours]
    earliest_ns = 0
    for (_, mine_ns), (_, his_ns) in zip(ours, same, strict=True):
        assert earliest_ns - CLOCKS_APART_NS <= his_ns <= mine_ns + CLOCKS_APART_NS
        earliest_ns = mine_ns


SEEN = r"""
7 10.000001 newfstatat(12, "", {st_size=300000, ...}, AT_EMPTY_PATH) = 0
7 10.000002 openat(AT_FDCWD, "/proc/thread-self/io", O_RDONLY|O_CLOEXEC) = 13
7 10.000003 read(13, "rchar: 300128\nwchar: 300042"..., 1024) = 100
7 10.000004 write(4, "{\"g\": 0, \"x\": \"3785.1\""..., 1622) = 1622
7 10.000005 write(9, "a line of the application's"..., 80) = 80
7 10.000006 recvfrom(8, "", 16384, 0, NULL, NULL) = 0
"""


def test_what_the_tracer_does_in_the_serving_thread_is_not_held_against_our_events(
    tmp_path: Path,
) -> None:
    """A trace that ends late, in the wait for the next request, includes these calls."""
    (tmp_path / "log").write_text(SEEN)
    calls = seen_by_strace(tmp_path / "log", 0)[7]
    assert [name for name, _ in calls] == ["newfstatat", "write", "recvfrom"]
