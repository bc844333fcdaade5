"""Traces against witnesses that know nothing of them: strace, perf, a slow disk, a busy core."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fivefold import Server, Settings
from fivefold.linux.processes import processes_of_tree
from fivefold.linux.timestamping import realtime_offset_ns
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.attach.tracer import Attached
from fivefold.tracing.request.session import Session
from fivefold.tracing.steps.assembling import INDISTINCT
from fivefold.tracing.steps.timeline import Timeline
from support.every_pair import pairs
from support.measured_again import measured_again
from support.perf import recording
from support.servers.embedded import address_of
from support.witness import WITH_RIGHTS, seeing_tracefs, witness, worker_of

HELD_BACK_S = 0.2
CLOCKS_APART_NS = 1_000_000
"""What reading two clocks one after the other may miss, where the reader is interrupted."""

CALLS = ("recvfrom", "sendto", "sendfile")
Call = tuple[str, int]
"""The name of a system call, and the bytes that it moved."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small").write_bytes(bytes(5000))
    (tmp_path / "large").write_bytes(bytes(300_000))
    return tmp_path


def seen_by_us(timeline: Timeline) -> list[tuple[Call, int, int]]:
    """The calls that moved bytes, with our clock before and after.

    A server that waited in its call before the trace began entered it at an unknown time.
    """
    calls: list[tuple[Call, int, int]] = []
    entered: dict[str, int] = {"recvfrom": 0}
    for seen in timeline.all:
        name, _, what = seen.event.partition(".")
        name = name.removesuffix("64")
        if name not in CALLS or seen.source != "clock":
            continue
        if what == "enter":
            entered[name] = seen.at_ns
        elif seen.detail.get("bytes"):
            calls.append(((name, seen.detail["bytes"]), entered.pop(name), seen.at_ns))
    return calls


STRACE = re.compile(r"^(?:\d+ +)?(\d+\.\d+) (\w+)\(.*= (\d+)$")


def seen_by_strace(log: Path, offset_ns: int) -> list[tuple[Call, int]]:
    """The same calls, each with the monotonic time at which the kernel stopped for strace."""
    found = map(STRACE.match, log.read_text(errors="replace").splitlines())
    return [
        ((m[2].removesuffix("64"), int(m[3])), round(float(m[1]) * 1e9) - offset_ns)
        for m in found
        if m and m[3] != "0"
    ]


@pytest.mark.alone
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("io", ["blocking", "nonblocking", "poll", "epoll"])
@pytest.mark.parametrize("name", ["small", "large"])
def test_strace_saw_the_same_calls_at_the_same_times(
    io: str, name: str, folder: Path, timelines: list[Timeline]
) -> None:
    log = folder / "strace"
    with Session(Settings(target=str(folder), serving="async", io=io), privileged=False) as session:
        session.request(f"/{name}")
        command = ["strace", "-f", "-ttt", "-e", "trace=recvfrom,sendto,sendfile"]
        watching = witness([*command, "-p", str(worker_of(session))], "attached", log)
        with watching:
            session.request(f"/{name}")
            offset_ns = realtime_offset_ns()
    ours = seen_by_us(timelines[-1])
    theirs = seen_by_strace(log, offset_ns)
    assert [call for call, _ in theirs] == [call for call, _, _ in ours]
    for (_, at_ns), (_, before_ns, after_ns) in zip(theirs, ours, strict=True):
        assert before_ns - CLOCKS_APART_NS <= at_ns <= after_ns + CLOCKS_APART_NS


@pytest.mark.alone
@pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))
@pytest.mark.skipif(shutil.which("perf") is None, reason="perf is not installed")
@pytest.mark.parametrize("io", ["blocking", "epoll"])
def test_perf_saw_the_same_calls_as_the_kernels_events(
    io: str, folder: Path, timelines: list[Timeline]
) -> None:
    """perf has a ring of its own: what both have, the kernel has told twice."""
    data = folder / "perf.data"
    events = [f"syscalls:sys_enter_{call}" for call in ("recvfrom", "sendto", "sendfile64")]
    with Session(Settings(target=str(folder), serving="async", io=io)) as session:
        session.request("/large")
        worker = worker_of(session)
        command = ["perf", "record", "-q", "-k", "mono", "-e", ",".join(events)]
        with recording(command, [worker], data):
            session.request("/large")
    printed = subprocess.run(
        seeing_tracefs(["perf", "script", "-i", str(data), "--ns", "-F", "time,event"]),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    theirs = [
        (event.rpartition("sys_enter_")[2].rstrip(":"), round(float(at.rstrip(":")) * 1e9))
        for at, event in (line.split() for line in printed.splitlines() if line.strip())
    ]
    timeline = timelines[-1]
    begin, end = timeline.start_ns, timeline.end_ns
    ours = [
        (seen.event.removeprefix("syscalls:sys_enter_"), seen.at_ns)
        for seen in timeline.within(begin, end)
        if seen.event in events and seen.detail["tid"] == worker
    ]
    within = [one for one in theirs if begin <= one[1] <= end]
    assert len(ours) >= len(events)
    assert [name for name, _ in ours] == [name for name, _ in within]
    for (_, mine_ns), (_, yours_ns) in zip(ours, within, strict=True):
        assert abs(mine_ns - yours_ns) <= CLOCKS_APART_NS


def computing(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """An application that needs 50 ms of a processor."""
    until = time.thread_time() + 0.05
    while time.thread_time() < until:
        pass
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]


@pytest.mark.alone
@pytest.mark.parametrize("privileged", [False, WITH_RIGHTS])
def test_a_busy_neighbour_is_run_queue_delay(privileged: bool) -> None:  # noqa: FBT001
    settings = Settings(target=computing, serving="thread", io="blocking")
    spin = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    core = min(os.sched_getaffinity(0))
    with Session(settings, privileged=privileged) as session:
        for pid in processes_of_tree(session._server.pid):
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), {core})
        with subprocess.Popen(spin, stdout=subprocess.PIPE) as neighbour:
            try:
                os.sched_setaffinity(neighbour.pid, {core})
                assert neighbour.stdout is not None
                neighbour.stdout.readline()
                crowded = session.request("/").summary
            finally:
                neighbour.kill()
    # Two that want the same core have half of it each.
    assert crowded.runqueue_us > 0.25 * crowded.total_us
    assert crowded.network_wait_us < 0.25 * crowded.total_us


HUGE = 6_000_000
"""More than the buffers of both ends keep."""


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("huge")
    (folder / "huge").write_bytes(bytes(HUGE))
    return folder


@pairs()
@measured_again
def test_a_client_that_reads_slowly_shows_in_the_last_steps_as_wait(
    pair: dict[str, str], huge: Path
) -> None:
    values = {"target": str(huge), "bind": "127.0.0.1:0", **pair}
    with (
        Server(Settings.of(values)) as server,
        Attached(server.pid, privileged=False) as attached,
        socket.create_connection(address_of(server)) as client,
    ):
        client.sendall(b"GET /huge HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        time.sleep(HELD_BACK_S)  # the slowness itself; nothing is waited for
        while client.recv(1 << 20):
            pass
        trace = next(attached.traces(20.0))
    last = sum(step.duration_us for step in trace.steps[8:])
    assert last > 0.5 * HELD_BACK_S * 1e6
    assert last > 0.5 * trace.summary.total_us
    disk = trace.steps[5]
    if disk.happened or INDISTINCT.partition("), ")[2] in (disk.why_not or ""):
        pytest.skip("the server read from a disk, too: only the kernel's events tell which wait")
    # Whether the server slept in a call, between two, or let others do it: it waited.
    assert trace.summary.network_wait_us >= 0.5 * HELD_BACK_S * 1e6
    assert trace.summary.network_copy_us < trace.summary.network_wait_us
    assert trace.summary.application_us < HELD_BACK_S * 1e6
    copies = round(trace.summary.bytes_copied / HUGE)
    assert copies == (2 if pair["io"] in {"uring", "posix"} else 0)  # sendfile(2) makes none
