"""Less rights, an older kernel: a trace shows less, invents nothing, and says what would help."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - who has become another user may not be able to import it
import errno
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fivefold import Settings
from fivefold.http1.limits import Limits
from fivefold.iomodels import ENGINES
from fivefold.linux import page_cache, timestamping
from fivefold.linux.tracepoints import mounting, tracefs
from fivefold.tracing.model import REQUEST, WAIT, WORK
from fivefold.tracing.request.own_client import Manner
from fivefold.tracing.request.session import Session
from support.witness import WITH_RIGHTS

NOBODY = 65534
ENGINE_NAMES = [engine.engine for engine in ENGINES if engine.available() is None]

REFUSING = """
import sys
from support import seccomp
from fivefold.cli import main
number, error = map(int, sys.argv[1:3])
seccomp.refuse(number, error)
sys.argv[1:3] = ["trace"]
main()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody can read, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "large").write_bytes(bytes(300_000))
        yield folder


def traced_where_cachestat_fails(error: int, folder: Path, *options: str) -> dict[str, Any]:
    """By the command, in a process whose kernel refuses cachestat(2)."""
    result = folder / "json"
    call = [str(page_cache.SYS_CACHESTAT), str(error), str(folder), "/large"]
    asked = ["--unprivileged", "--serving", "async", "--json", str(result), *options]
    done = subprocess.run(
        [sys.executable, "-c", REFUSING, *call, *asked],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trace: dict[str, Any] = json.loads(result.read_text())
    return trace


@pytest.mark.parametrize("io", ENGINE_NAMES)
@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM])
def test_a_page_cache_that_does_not_tell_is_no_disk(error: int, io: str, folder: Path) -> None:
    trace = traced_where_cachestat_fails(error, folder, "--io", io)
    disk = trace["steps"][5]
    by_counters = "accounting" in {seen["event"] for seen in disk["evidence"]}
    assert not disk["happened"] or by_counters, "invented: the file is in memory"
    assert "cachestat" not in {seen["event"] for seen in disk["evidence"]}
    assert disk["happened"] or "cachestat(2)" in disk["why_not"] or "counters" in disk["why_not"]


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.EPERM])
def test_cold_where_nobody_tells_whether_it_is_says_so(error: int, folder: Path) -> None:
    trace = traced_where_cachestat_fails(error, folder, "--cold")
    (note,) = [note for note in trace["notes"] if note.startswith("--cold")]
    assert note.endswith(page_cache.REFUSALS[error])


def test_a_socket_without_time_stamps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option number that this kernel does not have stands for one that an older one lacks."""
    monkeypatch.setattr(timestamping, "SO_TIMESTAMPING_NEW", 9999)
    with Session(Settings(target=str(folder)), privileged=False) as session:
        trace = session.request("/large")
    sources = {seen.source for step in trace.steps for seen in step.evidence}
    assert "timestamp" not in sources
    assert "clock" in sources
    assert any("time stamps" in note and "need Linux 5.1" in note for note in trace.notes)
    assert "root and tracefs" in (trace.steps[9].why_not or "")


class OlderSocket(socket.socket):
    """Refuses a flag that it does not know, as Linux before 6.2 does."""

    def setsockopt(self, level: int, name: int, value: Any, *rest: Any) -> None:
        if name == timestamping.SO_TIMESTAMPING_NEW and value & timestamping.OPT_ID_TCP:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        super().setsockopt(level, name, value, *rest)


def test_an_older_kernel_still_stamps() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, OlderSocket() as sock:
        sock.connect(listener.getsockname())
        assert timestamping.enable(sock) is None
        sock.sendall(b"x")
        stamps = timestamping.sent(sock, timestamping.realtime_offset_ns())
    assert {stamp.kind for stamp in stamps} >= {"SCHED", "SND"}


FAKES = {
    "not mounted": ([], "tracefs is not mounted, nor may we (not here): mount -t tracefs"),
    "no events": (["trace_clock", "instances/"], "CONFIG_EVENT_TRACING"),
    "locked down": (["trace_clock/", "instances/", "events/"], "is the kernel locked down?"),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is told to be root first")
@pytest.mark.parametrize("kind", FAKES)
def test_a_tracefs_that_cannot_be_used(
    kind: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, says = FAKES[kind]
    for name in files:
        path = tmp_path / name
        path.mkdir() if name.endswith("/") else path.touch()
    monkeypatch.setattr(tracefs, "ROOTS", (tmp_path,))
    monkeypatch.setattr(mounting, "_mounted", lambda: "not here")
    monkeypatch.setattr(tracefs, "in_first_pid_namespace", lambda: True)
    with Session(Settings(target=str(folder))) as session:
        trace = session.request("/large")
    assert not trace.privileged
    assert any(says in note for note in trace.notes)
    assert "tracefs" not in {seen.source for step in trace.steps for seen in step.evidence}


def traced_by_nobody(folder: Path) -> dict[str, Any]:
    """What a process of another user, which does not own the file, can tell of a request."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with Session(Settings(target=str(folder), serving="async", io="epoll")) as session:
                answer = session.request("/large", cold=True).as_json()
            os.write(theirs, json.dumps(answer).encode())
        except BaseException as error:  # noqa: BLE001 - the parent looks at it
            os.write(theirs, json.dumps({"error": repr(error)}).encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        trace: dict[str, Any] = json.load(pipe)
    os.waitpid(pid, 0)
    return trace


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_gets_a_trace_and_the_advice_to_be_root(folder: Path) -> None:
    trace = traced_by_nobody(folder)
    assert "error" not in trace, trace
    assert not trace["privileged"]
    assert trace["request"]["status"] == 200
    if tracefs.available() is None:
        assert any("root" in note for note in trace["notes"])


@pytest.mark.parametrize("privileged", [False, WITH_RIGHTS])
@pytest.mark.parametrize("io", ["blocking", "epoll", "uring"])
def test_a_request_whose_end_does_not_come_in_time_was_waited_for(
    io: str,
    privileged: bool,  # noqa: FBT001
    folder: Path,
) -> None:
    """The server's patience is over before the client sends the last byte, and it says 408."""
    settings = Settings(
        target=str(folder), serving="thread", io=io, limits=Limits(head_s=0.1, first_byte_s=0.1)
    )
    late = Manner(sends_late_s=0.5)
    with Session(settings, privileged=privileged, manner=late) as session:
        trace = session.request("/large")
    assert trace.request["status"] == 408
    waits = [one for one in trace.lanes[0].segments if (one.part, one.phase) == (REQUEST, WAIT)]
    waited_us = sum(one.duration_us for one in waits)
    computed_us = sum(one.duration_us for one in trace.lanes[0].segments if one.phase == WORK)
    assert waited_us > 0.5 * 0.1 * 1e6
    assert waited_us < 0.5 * trace.summary.total_us, "what came after the refusal is none of it"
    assert trace.summary.network_wait_us > waited_us
    assert computed_us < waited_us
