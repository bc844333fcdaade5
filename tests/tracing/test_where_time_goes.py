"""What makes a request slow shows as that, and not as something else, in whatever pair."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest

from fivefold import Server, Settings
from fivefold.iomodels import ENGINES
from fivefold.iomodels.interface import IOModel
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.attach.tracer import Attached
from fivefold.tracing.model import Trace
from fivefold.tracing.request.own_client import Manner
from fivefold.tracing.request.session import Session
from support.every_pair import every_engine, pairs
from support.measured_again import measured_again
from support.servers.embedded import address_of
from support.witness import THROTTLE, disk_of, throttled, worker_of

HELD_BACK_S = 0.2
"""The slowness itself: nothing is waited for."""

LARGE = 300_000
BYTES_PER_S = 1_000_000
HUGE = 6_000_000
"""More than the buffers of both ends keep."""

ENGINE_NAMES = [engine.engine for engine in ENGINES if engine.available() is None]
FIND_OUT_FIRST = ["nonblocking", "poll", "select", "epoll", "sigio"]
"""These wait for pages before they send them, so they know without rights, too."""

needs_tracefs = pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))
needs_throttle = pytest.mark.skipif(
    os.geteuid() != 0 or not THROTTLE.exists(), reason="no blkio throttle that we may set"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small").write_bytes(bytes(5000))
    (tmp_path / "large").write_bytes(bytes(LARGE))
    return tmp_path


def shares(trace: Trace) -> dict[str, float]:
    """Of the whole, what each figure of the summary takes."""
    total = trace.summary.total_us
    return {
        name.removesuffix("_us"): value / total
        for name, value in vars(trace.summary).items()
        if name.endswith("_us")
    }


def check_it_is_the_client(settings: Settings, *, privileged: bool) -> None:
    late = Manner(sends_late_s=HELD_BACK_S)
    with Session(settings, privileged=privileged, manner=late) as session:
        trace = session.request("/small")
    found = shares(trace)
    assert found["network_wait"] > 0.5
    for other in ("network_copy", "disk_wait", "disk_copy", "application"):
        assert found[other] < 0.5 * found["network_wait"]
    assert trace.steps[0].duration_us > 0.5 * trace.summary.total_us


@pairs()
@measured_again
def test_a_client_that_holds_back_its_last_byte_is_network_wait(
    pair: dict[str, str], folder: Path
) -> None:
    check_it_is_the_client(Settings.of({"target": str(folder), **pair}), privileged=False)


@needs_tracefs
@pytest.mark.alone
@every_engine()
def test_so_it_is_with_rights(serving: str, engine: type[IOModel], folder: Path) -> None:
    settings = Settings(target=str(folder), serving=serving, io=engine.engine)
    check_it_is_the_client(settings, privileged=True)


def cold_and_slow(settings: Settings, *, privileged: bool) -> tuple[Trace, Trace]:
    """A large file from a disk of 1 MB/s, and once more from memory."""
    device = disk_of(Path(settings.target) / "large")
    if device is None:
        pytest.skip("the temporary folder is not on a disk")
    with Session(settings, privileged=privileged) as session:
        session.request("/small")
        with throttled({worker_of(session)}, device, BYTES_PER_S):
            slow = session.request("/large", cold=True)
        return slow, session.request("/large")


def check_it_is_the_disk(slow: Trace, warm: Trace) -> None:
    found = shares(slow)
    assert slow.summary.total_us > 0.5e6 * LARGE / BYTES_PER_S, "it was not throttled"
    assert found["disk_wait"] > 0.5
    for other in ("network_wait", "network_copy", "disk_copy", "application"):
        assert found[other] < 0.25, f"{other} is called slow, too"
    assert slow.steps[5].duration_us > 0.5 * slow.summary.total_us
    assert warm.summary.disk_wait_us < 0.25 * slow.summary.disk_wait_us


@needs_throttle
@pytest.mark.alone
@pytest.mark.parametrize("io", FIND_OUT_FIRST)
def test_a_slow_disk_is_disk_wait_without_rights(io: str, folder: Path) -> None:
    settings = Settings(target=str(folder), serving="async", io=io)
    check_it_is_the_disk(*cold_and_slow(settings, privileged=False))


@needs_throttle
@needs_tracefs
@pytest.mark.alone
@pytest.mark.parametrize("io", ENGINE_NAMES)
def test_a_slow_disk_is_disk_wait_with_rights(io: str, folder: Path) -> None:
    settings = Settings(target=str(folder), serving="async", io=io)
    check_it_is_the_disk(*cold_and_slow(settings, privileged=True))


@needs_throttle
@pytest.mark.alone
@pytest.mark.parametrize("io", [name for name in ENGINE_NAMES if name not in FIND_OUT_FIRST])
def test_where_a_slow_disk_cannot_be_seen_it_is_not_invented(io: str, folder: Path) -> None:
    """The thread, the ring or glibc's threads slept in one call for disk and client."""
    settings = Settings(target=str(folder), serving="async", io=io)
    slow, _ = cold_and_slow(settings, privileged=False)
    assert not slow.steps[5].happened
    assert "nothing here tells the disk from the send" in (slow.steps[5].why_not or "")
    found = shares(slow)
    assert found["disk_wait"] < 0.25
    assert found["network_wait"] < 0.25
    assert found["application"] < 0.25


@needs_tracefs
@pytest.mark.alone
@pytest.mark.parametrize("io", ENGINE_NAMES)
def test_a_client_that_reads_slowly_is_in_the_last_steps_with_rights(
    io: str, tmp_path: Path
) -> None:
    (tmp_path / "huge").write_bytes(bytes(HUGE))
    values = {"target": str(tmp_path), "bind": "127.0.0.1:0", "serving": "async", "io": io}
    with (
        Server(Settings.of(values)) as server,
        Attached(server.pid) as attached,
        socket.create_connection(address_of(server)) as client,
    ):
        client.sendall(b"GET /huge HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        time.sleep(HELD_BACK_S)
        while client.recv(1 << 20):
            pass
        trace = next(attached.traces(20.0))
    assert trace.privileged
    found = shares(trace)
    assert sum(step.duration_us for step in trace.steps[8:]) > 0.5 * trace.summary.total_us
    assert trace.summary.network_wait_us > 0.5e6 * HELD_BACK_S
    assert found["network_copy"] < found["network_wait"]
    assert found["application"] < 0.25
