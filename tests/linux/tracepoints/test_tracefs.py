"""A private instance of tracefs: what it records, and that it is always removed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from fivefold.linux.processes import start_time, threads_of_tree
from fivefold.linux.tracepoints import mounting, tracefs
from fivefold.linux.tracepoints.tracefs import Instance
from support.servers.deployed import until

REASON = tracefs.available()
needs_tracefs = pytest.mark.skipif(REASON is not None, reason=f"{REASON}")

READS = ["syscalls:sys_enter_pread64"]

HOLDER = """
import sys, time
from fivefold.linux.tracepoints.tracefs import Instance
with Instance(["sched:sched_switch"]) as instance:
    print(instance.path, flush=True)
    time.sleep(60)
"""


def read_once() -> None:
    with Path(__file__).open("rb") as file:
        os.pread(file.fileno(), 1, 0)


def holder() -> tuple[subprocess.Popen[str], Path]:
    """A process that holds an instance, and the instance."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    # Its path may lead through a descriptor of its own; there is one tracefs for all.
    name = Path(process.stdout.readline().strip()).name
    return process, (tracefs.root() or Path()) / "instances" / name


def ended(process: subprocess.Popen[str], how: signal.Signals) -> None:
    process.send_signal(how)
    process.communicate(timeout=20)


@needs_tracefs
def test_it_records_between_start_and_stop_on_our_clock() -> None:
    with Instance(READS) as instance:
        read_once()
        instance.start()
        before = time.monotonic()
        read_once()
        after = time.monotonic()
        instance.stop()
        read_once()
        mine = [line for line in instance.lines() if f"-{threading.get_native_id()} " in line]

    assert len(mine) == 1
    at = float(mine[0].partition(": ")[0].split()[-1])
    assert before - 1e-6 <= at <= after + 1e-6


@needs_tracefs
def test_reading_consumes_and_clearing_forgets() -> None:
    with Instance(READS) as instance:
        instance.start()
        read_once()
        assert "sys_pread64(" in instance.read()
        assert instance.read() == ""
        read_once()
        instance.stop()
        instance.clear()
        assert instance.read() == ""


@needs_tracefs
def test_only_listed_threads_and_what_they_start() -> None:
    with Instance(READS, pids=[threading.get_native_id()]) as instance:
        instance.start()
        subprocess.run([sys.executable, "-c", "import os; os.pread(0, 1, 0)"], check=False)
        child = threading.Thread(target=read_once)
        child.start()
        child.join()
        instance.stop()
        text = instance.read()

    tids = {line.split("(")[0].rstrip().rpartition("-")[2] for line in text.splitlines()}
    assert str(child.native_id) in tids
    assert len(tids - {str(child.native_id)}) == 1  # the process


@needs_tracefs
def test_following_a_thread_that_ran_before() -> None:
    go, known = threading.Event(), threading.Event()

    def reader() -> None:
        known.set()
        go.wait()
        read_once()

    thread = threading.Thread(target=reader)
    thread.start()
    known.wait()
    with Instance(READS, pids=[threading.get_native_id()]) as instance:
        assert thread.native_id is not None
        instance.follow([thread.native_id])
        instance.start()
        go.set()
        thread.join()
        instance.stop()
        assert f"-{thread.native_id} " in instance.read()


@needs_tracefs
def test_what_the_kernel_does_not_have_is_reported() -> None:
    filters = {"syscalls:sys_enter_pread64": "no_such_field == 1"}
    with Instance(["no:such_event", *READS], filters=filters) as instance:
        assert instance.missing == ["no:such_event"]
        assert instance.unfiltered == READS


@needs_tracefs
def test_a_filter_keeps_the_rest_out() -> None:
    with Instance(READS, filters={READS[0]: "count == 77"}) as instance:
        instance.start()
        read_once()
        with Path(__file__).open("rb") as file:
            os.pread(file.fileno(), 77, 0)
        instance.stop()
        lines = [line for line in instance.lines() if "sys_pread64(" in line]
        assert len(lines) == 1
        assert "count: 0x4d" in lines[0]


@needs_tracefs
def test_overrun_is_counted() -> None:
    with Instance(READS, buffer_kib=8) as instance:
        assert instance.lost() == 0
        instance.start()
        with Path(__file__).open("rb") as file:
            for _ in range(3000):
                os.pread(file.fileno(), 1, 0)
        instance.stop()
        assert instance.lost() > 1000
        instance.clear()
        assert instance.lost() == 0


@needs_tracefs
def test_removed_after_an_exception() -> None:
    with pytest.raises(RuntimeError), Instance(READS) as instance:
        raise RuntimeError
    assert not instance.path.exists()
    instance.remove()  # once more does no harm


@needs_tracefs
def test_removed_if_setting_up_fails() -> None:
    instance = Instance(READS, buffer_kib=-1)
    with pytest.raises(OSError, match="Invalid argument"):
        instance.__enter__()
    assert not instance.path.exists()


@needs_tracefs
def test_a_forked_child_leaves_it_alone() -> None:
    with Instance(READS) as instance:
        child = os.fork()
        if child == 0:
            instance.remove()
            os._exit(0)
        os.waitpid(child, 0)
        assert instance.path.exists()


@needs_tracefs
def test_removed_after_ctrl_c() -> None:
    process, path = holder()
    assert path.exists()
    ended(process, signal.SIGINT)
    assert not path.exists()


@needs_tracefs
def test_swept_after_a_kill_and_not_before() -> None:
    process, path = holder()
    assert path.name not in tracefs.sweep()
    ended(process, signal.SIGKILL)
    is_swept(path)


@needs_tracefs
def test_a_process_id_that_is_used_again_is_swept() -> None:
    folder = tracefs.root()
    assert folder is not None
    left = folder / "instances" / f"fivefold-{os.getpid()}-1-0"
    left.mkdir()
    is_swept(left)


def is_swept(instance: Path) -> None:
    """By us, unless another process that traces just now is quicker: all sweep."""
    tracefs.sweep()
    until(lambda: not instance.exists(), "the end of an instance")


def test_without_rights_the_reason_says_what_helps() -> None:
    if os.geteuid() != 0:
        assert "only root" in (tracefs.available() or "")
        return
    code = (
        "import os, fivefold.linux.processes;"
        "from fivefold.linux.tracepoints import tracefs;"
        "os.setgid(65534); os.setuid(65534); print(tracefs.available())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "only root" in done.stdout


def test_not_mounted_says_how_to_mount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracefs, "ROOTS", (Path("/nowhere"),))
    monkeypatch.setattr(mounting, "_mounted", lambda: "Operation not permitted")
    if os.geteuid() == 0:
        why = "tracefs is not mounted, nor may we (Operation not permitted)"
        assert tracefs.available() == f"{why}: {tracefs.MOUNT}"
    assert tracefs.sweep() == []
    with pytest.raises(OSError, match="not mounted"):
        Instance(READS)


def test_a_machine_that_records_without_end_is_read_up_to_the_moment_of_asking() -> None:
    """The pipe stands for the kernel's: it never runs empty."""
    out, into = os.pipe()
    over = threading.Event()

    def record() -> None:
        while not over.is_set():
            line = f"python-1 [000] ..... {time.monotonic():.6f}: sys_close(fd: 1)\n"
            os.write(into, line.encode() * 100)

    recorder = threading.Thread(target=record)
    recorder.start()
    watchdog = threading.Timer(20.0, over.set)
    watchdog.start()
    try:
        parts = list(tracefs.chunks(out, time.monotonic()))
        assert not over.is_set(), "it was read for as long as there was something"
        assert parts
    finally:
        over.set()
        watchdog.cancel()
        os.set_blocking(out, False)
        while recorder.is_alive():
            with suppress(BlockingIOError):
                os.read(out, 1 << 20)
        recorder.join()
        os.close(out)
        os.close(into)


def test_start_time_and_threads() -> None:
    assert start_time(os.getpid()) == start_time(os.getpid())
    assert start_time(2**22 + 1) is None
    with subprocess.Popen(["sleep", "60"]) as child:
        tree = threads_of_tree(os.getpid())
        child.kill()
    assert {threading.get_native_id(), child.pid} <= tree
    assert threads_of_tree(2**22 + 1) == set()
