"""Traces of real requests: the steps add up, and what takes time shows where it belongs."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fivefold import Settings
from fivefold.iomodels import ENGINES
from fivefold.linux.processes import processes_of_tree
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.kernel.capture import KernelTrace
from fivefold.tracing.kernel.events import recorded
from fivefold.tracing.model import Trace
from fivefold.tracing.request.own_client import Manner
from fivefold.tracing.request.session import Session
from support.every_pair import pairs
from support.measured_again import measured_again
from support.witness import WITH_RIGHTS

ENGINE_NAMES = [engine.engine for engine in ENGINES if engine.available() is None]

HELD_BACK_S = 0.2
THOUGHT_S = 0.02


def hello(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    yield b"hello"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small").write_bytes(bytes(5000))
    (tmp_path / "large").write_bytes(bytes(300_000))
    return tmp_path


def check_steps(trace: Trace) -> None:
    """In order, without gaps or overlaps, and together the whole."""
    at = 0.0
    for number, step in enumerate(trace.steps, 1):
        assert step.step == number
        assert step.start_us == pytest.approx(at, abs=0.01)
        assert step.duration_us >= 0
        assert step.happened is (step.why_not is None)
        assert step.happened or step.duration_us == 0
        assert bool(step.evidence) is step.happened
        at = step.start_us + step.duration_us
    assert at == pytest.approx(trace.summary.total_us, abs=0.1)


@pairs()
def test_the_steps_add_up_in_every_pair(pair: dict[str, str], folder: Path) -> None:
    settings = Settings.of({"target": str(folder), **pair})
    with Session(settings, privileged=False) as session:
        for name in ("small", "large", "small", "missing"):
            trace = session.request(f"/{name}")
            assert trace.request["status"] == (404 if name == "missing" else 200)
            assert trace.pair["engine"] == pair["io"]
            check_steps(trace)
        refused = session.request("/a b")  # it comes to no content
        assert refused.request["status"] == 400
        assert "refused" in (refused.steps[3].why_not or "")
        check_steps(refused)


@pairs()
def test_applications_are_traced_in_every_pair(pair: dict[str, str]) -> None:
    with Session(Settings.of({"target": hello, **pair}), privileged=False) as session:
        trace = session.request("/")
        check_steps(trace)
        assert "application" in (trace.steps[3].why_not or "")


def thinks_between_parts(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    yield b"one"
    time.sleep(THOUGHT_S)
    yield b"two"


@pairs()
def test_what_an_application_does_between_two_parts_is_its_own_time(pair: dict[str, str]) -> None:
    settings = Settings.of({"target": thinks_between_parts, **pair})
    with Session(settings, privileged=False) as session:
        summary = session.request("/").summary
    assert summary.application_us >= THOUGHT_S * 1e6


@measured_again
def test_a_client_that_is_slow_is_network_wait(folder: Path) -> None:
    late = Manner(sends_late_s=HELD_BACK_S)
    with Session(Settings(target=str(folder)), privileged=False, manner=late) as session:
        trace = session.request("/small")
    check_steps(trace)
    assert trace.summary.network_wait_us >= HELD_BACK_S * 1e6
    assert trace.steps[0].duration_us >= HELD_BACK_S * 1e6
    assert trace.summary.application_us < HELD_BACK_S * 1e6


def test_a_response_from_memory_asks_no_disk(folder: Path) -> None:
    with Session(Settings(target=str(folder)), privileged=False) as session:
        session.request("/small")
        trace = session.request("/small")
    assert [step.happened for step in trace.steps[3:8]] == [False] * 5
    assert "memory" in (trace.steps[3].why_not or "")


@pytest.mark.parametrize("privileged", [False, WITH_RIGHTS])
@pytest.mark.parametrize("io", ENGINE_NAMES)
def test_each_step_of_a_large_cold_file_has_evidence_or_a_reason(
    io: str,
    privileged: bool,  # noqa: FBT001
    folder: Path,
) -> None:
    (folder / "ten").write_bytes(bytes(10 << 20))
    settings = Settings(target=str(folder), serving="async", io=io)
    with Session(settings, privileged=privileged) as session:
        trace = session.request("/ten", cold=True)
    check_steps(trace)
    for step in trace.steps:
        assert step.evidence or step.why_not, f"step {step.step}"
    total = trace.summary.total_us
    assert all(us <= total for name, us in vars(trace.summary).items() if name.endswith("_us"))


@pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))
@pytest.mark.parametrize("io", ["blocking", "multiplexing", "sigio", "aio"])
def test_the_kernel_tells_all_steps_of_a_cold_file(io: str, folder: Path) -> None:
    settings = Settings(target=str(folder), serving="thread", io=io)
    with Session(settings) as session:
        trace = session.request("/small", cold=True)
    check_steps(trace)
    assert trace.privileged
    if "block" in {e.event.partition(":")[0] for s in trace.steps for e in s.evidence}:
        assert trace.steps[5].happened
        assert trace.summary.disk_wait_us > 0
    assert {e.source for s in trace.steps for e in s.evidence} >= {"tracefs", "clock"}
    assert not list((tracefs.root() or Path()).glob(f"instances/fivefold-{os.getpid()}-*"))


def test_the_command_writes_every_form(folder: Path) -> None:
    forms = {word: folder / word for word in ("json", "perfetto", "html")}
    options = [text for word, path in forms.items() for text in (f"--{word}", str(path))]
    done = subprocess.run(
        [sys.executable, "-m", "fivefold", "trace", str(folder), "/small", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "network wait" in done.stdout
    assert "\x1b" not in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    trace = json.loads(forms["json"].read_text())
    assert trace["schema"] == 1
    assert [step["step"] for step in trace["steps"]] == list(range(1, 12))
    assert json.loads(forms["perfetto"].read_text())["traceEvents"]
    assert "<html" in forms["html"].read_text()


def test_only_the_session_reads_what_workers_record(folder: Path) -> None:
    """A reader in another process would leave them waiting for room when the session has gone."""
    settings = Settings(target=str(folder), serving="async", io="epoll")
    with Session(settings, privileged=False) as session:
        session.request("/small")
        pipe = f"pipe:[{os.fstat(session._pipe.reading_end).st_ino}]"
        access = set()
        for pid in processes_of_tree(session._server.pid):
            for fd in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                    if str(fd.readlink()) == pipe:
                        flags = Path(f"/proc/{pid}/fdinfo/{fd.name}").read_text().split()[3]
                        access.add(int(flags, 8) & os.O_ACCMODE)
    assert access == {os.O_WRONLY}


def test_a_wrong_path_is_a_clear_error(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fivefold", "trace", str(folder), "small"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "must begin with a slash" in done.stderr


@pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))
def test_lost_events_are_said(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    small = partial(KernelTrace, buffer_kib=8)
    monkeypatch.setattr("fivefold.tracing.request.session.KernelTrace", small)
    (folder / "huge").write_bytes(bytes(10_000_000))
    with Session(Settings(target=str(folder))) as session:
        trace = session.request("/huge", cold=True)
    check_steps(trace)
    assert any("kernel events were lost" in note for note in trace.notes)


@pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))
@pytest.mark.parametrize(
    "group", ["syscalls", "sched", "net", "sock", "tcp", "filemap", "block", "io_uring"]
)
@pytest.mark.parametrize("io", ["epoll", "uring"])
def test_a_kernel_without_some_events_shows_less_and_says_so(
    group: str, io: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    def fewer(where: str) -> list[str]:
        return [name.replace(f"{group}:", "missing:") for name in recorded(where)]

    monkeypatch.setattr("fivefold.tracing.kernel.capture.recorded", fewer)
    with Session(Settings(target=str(folder), serving="async", io=io)) as session:
        trace = session.request("/large", cold=True)
    check_steps(trace)
    assert any("this kernel has no missing:" in note for note in trace.notes)
    assert not any(e.event.startswith(f"{group}:") for s in trace.steps for e in s.evidence)
