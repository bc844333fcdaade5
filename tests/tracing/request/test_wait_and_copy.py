"""The picture of one request under each I/O model: what each one waits in is read in it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from fivefold import Settings
from fivefold.cli.trace import show
from fivefold.iomodels import ENGINES
from fivefold.linux.processes import processes_of_tree
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.model import (
    COPY,
    DISK,
    NETWORK,
    PROCESSOR,
    REQUEST,
    RESPONSE,
    WAIT,
    WORK,
    Lane,
    Trace,
)
from fivefold.tracing.report.html.page import as_html
from fivefold.tracing.report.lanes import unattributed
from fivefold.tracing.request.own_client import Manner
from fivefold.tracing.request.session import Session
from fivefold.tracing.steps.io_lane import io_lane
from fivefold.tracing.steps.serving_thread import FOR_NEITHER
from fivefold.tracing.steps.timeline import Timeline
from support.hand_made.traces import all_io
from support.measured_again import measured_again
from support.witness import WITH_RIGHTS, witness, worker_of

LATE_S = 0.02
LATE_US = LATE_S * 1e6
LARGE = 300_000
HUGE = 8_000_000

WORDS = {
    "blocking": r"asleep in recvfrom",
    "nonblocking": r"(1 try|[1-9]\d* tries) refused",
    "select": r"asleep in select over [1-9]\d* descriptors",
    "poll": r"asleep in poll over [1-9]\d* descriptors",
    "epoll": r"asleep in epoll_wait over [1-9]\d* descriptors",
    "sigio": r"signal 44 came",
    "uring": r"in the ring",
    "posix": r"helper thread",
}
ENGINE_NAMES = [engine.engine for engine in ENGINES if engine.available() is None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "large").write_bytes(os.urandom(LARGE))
    (folder / "huge").write_bytes(bytes(HUGE))
    return folder


def of(lane: Lane, part: str, phase: str) -> float:
    found = [one for one in lane.segments if (one.part, one.phase) == (part, phase)]
    return sum(one.duration_us for one in found)


def check_lane(trace: Trace) -> Lane:
    """No overlaps, no gaps, from the first byte to the last."""
    (lane,) = trace.lanes
    at = 0.0
    for one in lane.segments:
        assert one.start_us == pytest.approx(at, abs=0.01)
        assert one.duration_us > 0
        at = one.start_us + one.duration_us
    assert at == pytest.approx(trace.summary.total_us, abs=0.1)
    assert lane.process
    assert lane.thread
    return lane


@pytest.mark.parametrize("privileged", [False, WITH_RIGHTS])
@pytest.mark.parametrize("io", ENGINE_NAMES)
@measured_again  # a server without a processor notices late that nothing has come
def test_a_request_that_is_sent_late_shows_what_the_model_waits_in(
    io: str,
    privileged: bool,  # noqa: FBT001
    folder: Path,
) -> None:
    settings = Settings(target=str(folder), serving="async", io=io)
    late = Manner(sends_late_s=LATE_S)
    with Session(settings, privileged=privileged, manner=late) as session:
        trace = session.request("/large", cold=True)
        workers = processes_of_tree(session._server.pid)
    lane = check_lane(trace)
    assert lane.process in workers
    # On a busy machine the thread wants a processor for the first part while the last one comes.
    wanted = sum(one.duration_us for one in lane.segments if one.io == PROCESSOR)
    assert of(lane, REQUEST, WAIT) + wanted > 0.5 * LATE_US
    assert 0 < of(lane, REQUEST, COPY) < of(lane, REQUEST, WAIT) + wanted
    page = unescape(as_html(trace))
    section = page[page.index("Wait, then copy") : page.index("The path of the request")]
    found = re.search(rf"{WORDS[io]}[^<]* [\d.]+ m?s", re.sub(r"<rect.*?</rect>", "", section))
    assert found, section
    others = [words for name, words in WORDS.items() if name != io and WORDS[io] != words]
    waits = {one.label for one in lane.segments if (one.io, one.phase) == (NETWORK, WAIT)}
    assert not [words for words in others if any(re.search(words, label) for label in waits)]


@pytest.mark.parametrize("io", ["blocking", "nonblocking", "epoll", "sigio", "uring"])
@measured_again  # as above
def test_a_client_that_reads_late_is_waited_for_in_the_response(io: str, folder: Path) -> None:
    settings = Settings(target=str(folder), serving="async", io=io)
    slow = Manner(reads_late_s=0.05)
    with Session(settings, privileged=False, manner=slow) as session:
        session.request("/huge")
        lane = check_lane(session.request("/huge"))
    assert of(lane, RESPONSE, WAIT) > 0.5 * 0.05 * 1e6
    assert of(lane, RESPONSE, COPY) < of(lane, RESPONSE, WAIT)
    moved = sum(one.bytes for one in lane.segments if (one.part, one.phase) == (RESPONSE, COPY))
    assert moved >= HUGE


TRIES = 5
"""A page that somebody else holds at the moment of its eviction stays in memory."""


@pytest.mark.parametrize("io", ["nonblocking", "epoll", "sigio"])
def test_a_cold_file_is_waited_for_before_it_is_sent(io: str, folder: Path) -> None:
    settings = Settings(target=str(folder), serving="async", io=io)
    with Session(settings, privileged=False) as session:
        for _ in range(TRIES):
            trace = session.request("/large", cold=True)
            if trace.steps[5].happened:
                break
    lane = check_lane(trace)
    disk = [one for one in lane.segments if (one.io, one.phase) == (DISK, WAIT)]
    if not trace.steps[5].happened:
        pytest.skip("this file system does not let go of its pages")
    expected = "tries of preadv2 refused" if io == "nonblocking" else "a helper thread reads"
    assert {expected in one.label for one in disk} == {True}


def watching(descriptor: Path) -> int:
    """How many an epoll descriptor watches; 0 for others, and for one that has just been closed."""
    try:
        return descriptor.read_text().count("tfd:")
    except FileNotFoundError:
        return 0


async def sleeping(scope: Any, receive: Any, send: Any) -> None:
    """An application of ASGI that takes its time and none of a processor's."""
    if scope["type"] == "http":
        await asyncio.sleep(LATE_S)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


@pytest.mark.parametrize("application", [None, sleeping])
def test_the_number_of_descriptors_is_the_kernels(application: Any, folder: Path) -> None:
    settings = Settings(target=application or str(folder), serving="async", io="epoll")
    with Session(settings, privileged=False) as session:
        # Before there is a connection: when the server has done with it is not known afterwards.
        worker = worker_of(session)
        watched = max(map(watching, Path(f"/proc/{worker}/fdinfo").iterdir()))
        lane = check_lane(session.request("/large"))
    (label,) = {one.label for one in lane.segments if (one.part, one.phase) == (REQUEST, WAIT)}
    assert label == f"asleep in epoll_wait over {watched + 1} descriptors"


@pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))
@pytest.mark.parametrize("io", ["epoll", "sigio", "uring"])
def test_an_application_that_sleeps_does_not_compute(io: str) -> None:
    with Session(Settings(target=sleeping, serving="async", io=io)) as session:
        session.request("/")
        lane = check_lane(session.request("/"))
    asleep = sum(one.duration_us for one in lane.segments if one.label == FOR_NEITHER)
    computed = sum(one.duration_us for one in lane.segments if one.phase == WORK)
    assert asleep > 0.5 * LATE_US
    assert computed < asleep
    assert FOR_NEITHER in unattributed(lane)


def as_idle_processors_have_it(timeline: Timeline) -> Timeline:
    """Without the switches to the serving thread: the kernel tells of none from an idle task."""
    (served, *_) = timeline.of("recv.end")
    tid = served.detail["tid"]
    left = [one for one in timeline.all if one.detail.get("fields", {}).get("next_pid") != tid]
    assert len(left) < len(timeline.all)
    return Timeline(left)


@pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))
@pytest.mark.parametrize("io", ["epoll", "uring"])
@measured_again  # the disk is slower than the client where others keep it busy
def test_a_disk_that_is_read_between_two_sends_is_waited_for_alone(
    io: str, folder: Path, timelines: list[Timeline]
) -> None:
    """The client's slowness is no time of the disk, and a read ahead hides no copy."""
    slow = Manner(reads_late_s=0.2)
    with Session(Settings(target=str(folder), serving="async", io=io), manner=slow) as session:
        trace = session.request("/huge", cold=True)
    quiet = as_idle_processors_have_it(timelines[-1])
    for lane in (check_lane(trace), io_lane(quiet, io, 0)):
        moved = sum(one.bytes for one in lane.segments if (one.part, one.phase) == (RESPONSE, COPY))
        if moved < HUGE:  # a machine that is busy explains none of it: not measured again
            pytest.fail(f"copies of {HUGE - moved} bytes are hidden")
    assert trace.summary.disk_wait_us < trace.summary.network_wait_us
    assert sum(step.duration_us for step in trace.steps[4:7]) < trace.summary.network_wait_us


def test_the_command_draws_all_five(folder: Path) -> None:
    page = folder / "page.html"
    command = [sys.executable, "-m", "fivefold", "trace", str(folder), "/large", "--all-io"]
    done = subprocess.run(
        [*command, "--slow-disk", "--client-sends-late", "5ms", "--html", str(page)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    picture = " ".join(done.stdout.partition("wait, then copy")[2].split())
    for text in (picture, unescape(page.read_text())):
        for io in ("blocking", "nonblocking", "epoll", "sigio", "uring"):
            assert re.search(WORDS[io], text), io
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    # What the models differ in comes first, and their steps for who asks for them.
    assert done.stdout.splitlines()[1].startswith("one axis for all")
    assert "client sends" not in done.stdout
    assert f"fivefold: written to {page}" in done.stderr


def test_the_steps_of_each_are_there_for_who_asks(capsys: pytest.CaptureFixture[str]) -> None:
    traces = all_io()
    show(traces, compared=True, steps=True)
    said = capsys.readouterr().out
    assert said.index("one axis for all") < said.index("wait, then copy") < said.index(" step ")
    assert said.count(" step ") == len(traces)
    show(traces, compared=True, steps=False)
    brief = capsys.readouterr().out
    assert " step " not in brief
    assert "--verbose" in brief
    show(traces, compared=False, steps=False)  # requests to a server that runs, each its own
    assert capsys.readouterr().out.count(" step ") == len(traces)


@pytest.mark.parametrize("time", ["5", "61s"])
def test_a_time_that_is_none_is_a_clear_error(time: str, folder: Path) -> None:
    command = [sys.executable, "-m", "fivefold", "trace", str(folder), "/large"]
    done = subprocess.run(
        [*command, f"--client-sends-late={time}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "is no time like 5ms" in done.stderr


WAITING_CALLS = {
    "blocking": "recvfrom",
    "poll": "poll",
    "epoll": "epoll_wait",
    "select": "select,pselect6",
    "sigio": "rt_sigtimedwait",
    "uring": "io_uring_enter",
}
TIMED = re.compile(r"^(?:\d+ +)?(?:<\.\.\. )?(\w+)[( ].*<(\d+\.\d+)>$", re.MULTILINE)


@pytest.mark.alone
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("privileged", [False, WITH_RIGHTS])
@pytest.mark.parametrize("io", WAITING_CALLS)
@measured_again
def test_a_wait_is_as_long_as_strace_measured_that_call(
    io: str,
    privileged: bool,  # noqa: FBT001
    folder: Path,
    tmp_path: Path,
) -> None:
    held_back_s, log = 0.2, tmp_path / "strace"
    # A server that accepts and serves in one thread looks at other clients between two calls.
    serving = "thread" if io == "blocking" else "async"
    settings = Settings(target=str(folder), serving=serving, io=io)
    late = Manner(sends_late_s=held_back_s)
    with Session(settings, privileged=privileged, manner=late) as session:
        session.request("/large")
        calls = WAITING_CALLS[io]
        command = ["strace", "-f", "-T", "-e", f"trace={calls}", "-p", str(worker_of(session))]
        with witness(command, "attached", log):
            trace = session.request("/large")
    (lane,) = trace.lanes
    waits = [one for one in lane.segments if (one.part, one.phase) == (REQUEST, WAIT)]
    longest = max(one.duration_us for one in waits)
    measured = [
        float(seconds) * 1e6
        for name, seconds in TIMED.findall(log.read_text(errors="replace"))
        if name in calls
    ]
    # What the server waited for before the request may be longer, or shorter.
    assert [us for us in measured if us == pytest.approx(longest, rel=0.1)], (longest, measured)
