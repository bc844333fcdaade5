"""Each observation that a trace shows belongs to its request, and names process and thread.

strace(1) is the witness: it stops every thread at every call by ptrace(2), and reads the names of
files from the memory of the process, which the kernel's trace events do not.
"""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

import pytest

from fivefold import Settings
from fivefold.linux.processes import processes_of_tree
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.model import Evidence, Trace
from fivefold.tracing.report.html.page import as_html
from fivefold.tracing.request.session import Session
from support.witness import witness

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available())),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]

NAME = "found-nowhere-else-7f3c.bin"
PAIRS = [
    ("async", "epoll"),
    ("async", "uring"),
    ("async", "sigio"),
    ("thread", "blocking"),
    ("process", "blocking"),
]

OPENED = re.compile(r'^(\d+) +openat2\(\d+, "([^"]*)",.*\) = (\d+)$', re.MULTILINE)
ENTER, EXIT = "syscalls:sys_enter_", "syscalls:sys_exit_"


def traced(serving: str, io: str, folder: Path) -> tuple[Trace, str]:
    """A request for the file, and what strace wrote meanwhile."""
    log = folder.parent / "strace"
    folder.mkdir()
    (folder / NAME).write_bytes(bytes(300_000))
    with Session(Settings(target=str(folder), serving=serving, io=io)) as session:
        asked = [f"--attach={pid}" for pid in processes_of_tree(session._server.pid)]
        command = ["strace", "-f", "-e", "trace=openat,openat2,read", *asked]
        with witness(command, "attached", log):
            trace = session.request(f"/{NAME}")
    return trace, log.read_text(errors="replace")


def calls(trace: Trace, step: int, *names: str) -> list[Evidence]:
    wanted = {way + name for way in (ENTER, EXIT) for name in names}
    return [one for one in trace.steps[step - 1].evidence if one.event in wanted]


@pytest.mark.parametrize(("serving", "io"), PAIRS)
def test_the_file_that_is_opened_is_the_one_that_was_asked_for(
    serving: str, io: str, tmp_path: Path
) -> None:
    trace, log = traced(serving, io, tmp_path / "site")
    ((thread, name, fd),) = [found for found in OPENED.findall(log) if found[1] == NAME]

    entered, left = calls(trace, 4, "openat", "openat2", "read")
    assert entered.event == f"{ENTER}openat2", "the tracer's own calls are shown"
    assert f"name {name}" in entered.detail
    assert f"ret {fd}" in left.detail
    assert {entered.thread, left.thread} == {int(thread)}

    assert "/proc/thread-self/schedstat" in log, "the tracer had calls of its own, in that thread"
    assert f"name {NAME}" in as_html(trace), "the page shows it among the first observations"


@pytest.mark.parametrize(("serving", "io"), PAIRS)
def test_the_client_and_other_threads_are_no_evidence_of_what_the_server_does(
    serving: str, io: str, tmp_path: Path
) -> None:
    trace, _ = traced(serving, io, tmp_path / "site")
    shown = [(step.step, one) for step in trace.steps for one in step.evidence]
    # A completion of io_uring is made by whoever's packet completes it, and a switch has two
    # threads: where strace stops the server's, the client's may come next.
    of_two = ("io_uring:", "sched:")
    served = [x for number, x in shown if 3 <= number <= 9 and not x.event.startswith(of_two)]
    threads = {one.thread for one in served} - {None}
    assert threads, "evidence names its thread"
    assert threading.get_native_id() not in threads
    assert len(threads) == 1, "one thread serves, and the file is in memory"
    assert {one.thread for number, one in shown if one.event.startswith(ENTER)} - threads == {
        threading.get_native_id()
    }, "the client sends"
    assert all(one.process for _, one in shown if one.event.startswith("syscalls:"))
