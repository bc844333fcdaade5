"""The kernel's evidence for real calls, checked against independent witnesses.

Needs root and tracefs; skipped, saying why, where these are not to be had.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from fivefold.errors import Unavailable
from fivefold.linux.page_cache import cached_pages, evict
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.kernel import capture as kernel_trace
from fivefold.tracing.kernel.capture import KernelTrace
from fivefold.tracing.kernel.disk_waits import disk_waits, spent
from fivefold.tracing.kernel.off_cpu import off_cpu, run_queue_ns
from fivefold.tracing.model import Observation

REASON = tracefs.available()
needs_tracefs = pytest.mark.skipif(REASON is not None, reason=f"{REASON}")

NO_PORT = 0
MIB = 1 << 20


def me() -> int:
    return threading.get_native_id()


def names(observations: list[Observation]) -> list[str]:
    return [one.event for one in observations]


def made_cold(fd: int) -> None:
    """Evict until it is true: pages that somebody still holds stay at first."""
    for _ in range(100):
        evict(fd)
        if not cached_pages(fd, 0, 4 * MIB):
            return
        time.sleep(0.01)
    pytest.skip("this file system does not let go of its pages")


@pytest.fixture
def cold_file(tmp_path: Path) -> Iterator[int]:
    """A file on a disk, of which no page is in memory."""
    path = tmp_path / "cold.bin"
    path.write_bytes(os.urandom(4 * MIB))
    with path.open("rb") as file:
        fd = file.fileno()
        device = os.fstat(fd).st_dev
        if not Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").exists():
            pytest.skip("the temporary folder is on no block device")
        made_cold(fd)
        yield fd


@needs_tracefs
def test_a_cold_read_shows_the_disk_and_a_warm_one_none(cold_file: int) -> None:
    seen: list[list[Observation]] = []
    sleeps: list[int] = []
    with KernelTrace(threads=[me()], server_port=NO_PORT) as kernel:
        for _ in range(2):
            start = time.monotonic_ns()
            os.pread(cold_file, 4 * MIB, 0)
            end = time.monotonic_ns()
            found = kernel.observations()
            seen.append([one for one in found if one.detail["fields"].get("rwbs") != "WS"])
            sleeps.append(spent(disk_waits(found, end), start, end))
            assert kernel.notes() == []
            kernel.resume()

    cold, warm = map(names, seen)
    steps = ["block:block_bio_queue", "block:block_rq_issue", "block:block_rq_complete"]
    firsts = [cold.index(event) for event in ["syscalls:sys_enter_pread64", *steps]]
    assert firsts == sorted(firsts)
    assert cold.index("filemap:mm_filemap_add_to_page_cache") < firsts[1]
    assert not set(steps) & set(warm)
    assert sleeps[0] > 0 == sleeps[1]
    states = [
        one.detail["fields"]["prev_state"]
        for one in seen[0]
        if one.event == "sched:sched_switch" and one.detail["fields"]["prev_pid"] == me()
    ]
    assert "D" in states
    issued = sum(o.detail["fields"]["bytes"] for o in seen[0] if o.event == steps[1])
    assert issued >= 4 * MIB


@needs_tracefs
def test_whose_disk_request_it_is(cold_file: int) -> None:
    go = threading.Event()

    def read_it() -> None:
        go.wait()
        os.pread(cold_file, 4 * MIB, 0)

    stranger = threading.Thread(target=read_it)
    stranger.start()
    with KernelTrace(threads=[me()], server_port=NO_PORT) as kernel:
        go.set()
        stranger.join()
        assert "block:block_rq_complete" not in names(kernel.observations())
        made_cold(cold_file)
        kernel.resume()
        followed = threading.Thread(target=read_it)  # started by us: ours
        followed.start()
        followed.join()
        assert "block:block_rq_complete" in names(kernel.observations())
        assert followed.native_id in kernel.tids


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket, int, int]]:
    """Client, server, and their ports."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server, _ = listener.accept()
            with server:
                yield client, server, port, client.getsockname()[1]


@needs_tracefs
def test_a_loopback_request_shows_the_network() -> None:
    with (
        connected() as (client, server, port, client_port),
        connected() as (stranger, other, _, _),
        KernelTrace(threads=[me()], server_port=port, client_port=client_port) as kernel,
    ):
        stranger.sendall(b"x" * 7777)
        other.recv(10000)
        client.sendall(b"request")
        server.recv(100)
        server.sendall(b"response")
        client.recv(100)
        found = kernel.observations()

    seen = [o for o in found if o.detail["fields"].get("len") not in {None, 7777}]
    way = [
        "syscalls:sys_enter_sendto",
        "tcp:tcp_sendmsg_locked",
        "net:net_dev_queue",
        "net:net_dev_start_xmit",
        "net:netif_rx",
        "net:net_dev_xmit",
        "net:netif_receive_skb",
        "tcp:tcp_probe",
        "sock:sk_data_ready",
        "syscalls:sys_exit_sendto",
        "syscalls:sys_enter_recvfrom",
        "skb:skb_copy_datagram_iovec",
        "sock:sock_recv_length",
        "syscalls:sys_exit_recvfrom",
    ]
    request = found[next(i for i, o in enumerate(found) if _asks(o)) :]
    rest = iter(names(request))
    assert all(event in rest for event in way), names(request)
    # The stranger's packets (7,777 bytes of data) are recorded for all, and chosen for nobody.
    assert not [o for o in seen if o.event.startswith("net:") and o.detail["fields"]["len"] > 7000]
    probes = [o.detail["fields"] for o in found if o.event == "tcp:tcp_probe"]
    assert {frozenset((p["sport"], p["dport"])) for p in probes} == {frozenset((port, client_port))}


def _asks(seen: Observation) -> bool:
    return seen.event == "syscalls:sys_enter_sendto" and seen.detail["fields"]["len"] == 7


@needs_tracefs
def test_a_signal_is_seen() -> None:
    previous = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with KernelTrace(threads=[me()], server_port=NO_PORT) as kernel:
            os.kill(os.getpid(), signal.SIGUSR1)
            found = kernel.observations()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    sent = [o.detail["fields"]["sig"] for o in found if o.event == "signal:signal_generate"]
    assert signal.SIGUSR1 in sent


@needs_tracefs
def test_a_busy_neighbour_shows_as_run_queue_delay_as_the_scheduler_counts_it() -> None:
    allowed = os.sched_getaffinity(0)
    processor = min(allowed)
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        os.sched_setaffinity(busy.pid, {processor})
        os.sched_setaffinity(0, {processor})
        with KernelTrace(threads=[me()], server_port=NO_PORT) as kernel:
            start, before = time.monotonic_ns(), _waited_ns()
            until = time.monotonic() + 0.2
            while time.monotonic() < until:
                time.sleep(0.0005)
                sum(range(400_000))
            end, after = time.monotonic_ns(), _waited_ns()
            found = kernel.observations()
    finally:
        os.sched_setaffinity(0, allowed)
        busy.kill()
        busy.wait()

    delay = run_queue_ns(found, me(), start, end)
    spans = [span for span in off_cpu(found, me(), end) if span.start_ns >= start]
    # The scheduler counts from the queue to the switch; we count the work of waking, too.
    assert delay > 20_000_000
    # A slice of the neighbour may fall between two readings of ours.
    assert -8_000_000 <= delay - (after - before) <= 8_000_000 + 50_000 * len(spans)


def _waited_ns() -> int:
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1])


CALLS = """
import os, socket, sys, time
ours, theirs = socket.socketpair()
print(os.getpid(), flush=True)
sys.stdin.readline()
time.sleep(0.01)
for _ in range(20):
    file = os.open(sys.executable, os.O_RDONLY)
    os.fstat(file)
    os.pread(file, 100, 50)
    ours.send(b"x" * 10)
    theirs.recv(5)
    theirs.recv(5)
    os.close(file)
sys.stdin.readline()
"""
NAMED = ("openat", "newfstatat", "newfstat", "fstat", "pread64", "sendto", "recvfrom")


@needs_tracefs
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_strace_sees_the_same_calls_in_the_same_order_at_the_same_time(tmp_path: Path) -> None:
    report = tmp_path / "strace"
    command = ["strace", "-f", "-ttt", "-o", str(report), sys.executable, "-c", CALLS]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, bufsize=1) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        pid = int(child.stdout.readline())
        with KernelTrace(processes=[pid], server_port=NO_PORT) as kernel:
            offset = time.time_ns() - time.monotonic_ns()
            child.stdin.write("\n")
            time.sleep(0.5)
            found = kernel.observations()
        child.stdin.write("\n")

    entered = [(o.event, o.at_ns) for o in found if o.event.startswith("syscalls:sys_enter_")]
    ours = [
        (event.removeprefix("syscalls:sys_enter_").removeprefix("new"), at)
        for event, at in entered
        if event.removeprefix("syscalls:sys_enter_") in NAMED
    ]
    theirs = [
        (match[2].removeprefix("new"), int(float(match[1]) * 1e9) - offset)
        for match in re.finditer(r"^\d+ +(\d+\.\d+) (\w+)\(", report.read_text(), re.MULTILINE)
        if match[2] in NAMED and int(float(match[1]) * 1e9) - offset >= ours[0][1] - 5_000_000
    ]
    count = len(ours)
    assert count == 20 * 6
    assert [name for name, _ in theirs[:count]] == [name for name, _ in ours]
    # strace stops a thread just before the kernel records its call, and after the call before.
    earliest = 0
    for (_, mine), (_, his) in zip(ours, theirs, strict=False):
        assert earliest - 1_000_000 <= his <= mine + 1_000_000
        earliest = mine


@needs_tracefs
def test_lost_events_are_said() -> None:
    with KernelTrace(threads=[me()], server_port=NO_PORT, buffer_kib=8) as kernel:
        with Path(__file__).open("rb") as file:
            for _ in range(3000):
                os.pread(file.fileno(), 1, 0)
        kernel.observations()
        assert "kernel events were lost" in kernel.notes()[0]


@needs_tracefs
def test_events_that_this_kernel_lacks_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    events = ["sched:sched_waking", "syscalls:sys_enter_new", "syscalls:sys_exit_new"]
    monkeypatch.setattr(kernel_trace, "recorded", lambda _: events)
    with KernelTrace(threads=[me()], server_port=NO_PORT) as kernel:
        assert kernel.notes() == ["this kernel has no syscalls:new: a newer one may show more"]


@needs_tracefs
def test_nothing_is_left_behind() -> None:
    root = tracefs.root()
    assert root is not None
    with suppress(ZeroDivisionError), KernelTrace(threads=[me()], server_port=NO_PORT):
        raise ZeroDivisionError
    assert not list((root / "instances").glob(f"fivefold-{os.getpid()}-*"))


def test_without_rights_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracefs, "available", lambda: "run as root")
    with pytest.raises(Unavailable, match="run as root"), KernelTrace(server_port=NO_PORT):
        pass
