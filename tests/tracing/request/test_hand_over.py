"""How a connection comes to the thread that serves it, under each serving model."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from fivefold import Settings
from fivefold.linux.processes import processes_of_tree, threads_of
from fivefold.linux.tracepoints import tracefs
from fivefold.serving import MODELS
from fivefold.tracing.model import Lane, Trace
from fivefold.tracing.report.html.page import as_html
from fivefold.tracing.request.session import Session
from support.witness import witness

needs_tracefs = pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))

ACCEPTED = re.compile(r"^(\d+) .*accept4(?:\(| resumed).* = (\d+)$", re.MULTILINE)
SENT = re.compile(r"^(\d+) .*sendmsg\(.*SCM_RIGHTS, cmsg_data=\[(\d+)\]", re.MULTILINE)
MARKED = re.compile(r"accept4 gives descriptor (\d+)")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "small").write_bytes(bytes(5000))
    return tmp_path / "site"


def words(lane: Lane) -> str:
    return "; ".join(mark.label for mark in lane.marks)


def traced(serving: str, folder: Path, log: Path) -> Trace:
    with Session(Settings(target=str(folder), serving=serving, io="epoll")) as session:
        tree = processes_of_tree(session._server.pid)
        asked = [f"--attach={pid}" for pid in tree]
        command = ["strace", "-f", "-e", "trace=accept4,sendmsg", *asked]
        with witness(command, "attached", log):
            trace = session.request("/small", hand_over=True)
        for lane in trace.lanes:
            assert lane.process in processes_of_tree(session._server.pid)
            assert lane.thread in threads_of(lane.process)
    return trace


@needs_tracefs
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("serving", MODELS)
def test_the_lanes_are_those_of_the_threads_that_strace_saw(
    serving: str, folder: Path, tmp_path: Path
) -> None:
    trace = traced(serving, folder, tmp_path / "strace")
    log = (tmp_path / "strace").read_text(errors="replace")
    serves, *others = trace.lanes
    accepts = next(lane for lane in trace.lanes if "accepts" in lane.name)
    found = MARKED.search(words(accepts))
    assert found
    assert (str(accepts.thread), found[1]) in ACCEPTED.findall(log)
    if serving == "async":
        assert not others
        return
    assert accepts.thread != serves.thread
    assert (accepts.process != serves.process) is (serving == "process")
    # None, if it was awake already: strace holds all of them now and then.
    assert set(re.findall(r"wakes thread (\d+)", words(accepts))) <= {str(serves.thread)}
    if serving == "process":
        assert "hands the descriptor over by sendmsg" in words(accepts)
        assert (str(accepts.thread), found[1]) in SENT.findall(log)
        assert "recvmsg gives the descriptor" in words(serves)


@needs_tracefs
@pytest.mark.parametrize("serving", MODELS)
def test_a_lane_has_no_gaps_and_no_overlaps(serving: str, folder: Path) -> None:
    with Session(Settings(target=str(folder), serving=serving)) as session:
        trace = session.request("/small", before=2, hand_over=True)
    for lane in trace.lanes:
        at = lane.segments[0].start_us
        assert at < 0, "the connection is made before the first byte"
        for one in lane.segments:
            assert one.start_us == pytest.approx(at, abs=0.01)
            assert one.duration_us > 0
            at = one.start_us + one.duration_us
        assert at == pytest.approx(trace.summary.total_us, abs=0.1)
    assert any("asleep in" in one.label for lane in trace.lanes for one in lane.segments)


def test_without_rights_the_arrival_is_seen_and_what_is_missing_is_said(folder: Path) -> None:
    with Session(Settings(target=str(folder), serving="thread"), privileged=False) as session:
        (lane,) = session.request("/small", hand_over=True).lanes
    assert lane.thread
    assert lane.marks[0].at_us < 0
    assert "kernel's events" in words(lane)


def test_the_command_draws_all_three(folder: Path) -> None:
    page = folder / "page.html"
    command = [sys.executable, "-m", "fivefold", "trace", str(folder), "/small", "--all-serving"]
    done = subprocess.run(
        [*command, "--html", str(page)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    picture = " ".join(done.stdout.partition("wait, then copy")[2].split())
    for text in (picture, unescape(page.read_text())):
        for serving in MODELS:
            assert f"{serving}: " in text
        assert re.search(r"process \d+, thread \d+", text)
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


@pytest.mark.parametrize("other", [("--serving", "async"), ("--all-io",)])
def test_all_serving_models_and_one_contradict(other: tuple[str, ...], folder: Path) -> None:
    command = [sys.executable, "-m", "fivefold", "trace", str(folder), "/small", "--all-serving"]
    done = subprocess.run([*command, *other], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "give one of the two" in done.stderr


def test_the_page_names_the_marks(folder: Path) -> None:
    with Session(Settings(target=str(folder), serving="thread"), privileged=False) as session:
        trace = session.request("/small", hand_over=True)
    assert "the connection comes to this thread" in unescape(as_html(trace))
