"""Attaching to a running server, in every pair: real requests, and nothing left behind."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fivefold import Server, Settings
from fivefold.errors import TraceFailed
from fivefold.linux import page_cache
from fivefold.linux.accounting import switches
from fivefold.linux.processes import catches, processes_of_tree
from fivefold.linux.tracepoints import tracefs
from fivefold.tracing.attach.tracer import Attached
from fivefold.tracing.control.rendezvous import bound, candidates, private_folder
from fivefold.tracing.model import Trace
from support.client import Client
from support.every_pair import pairs
from support.measured_again import measured_again
from support.nobody import as_nobody, only_root
from support.process_tree import CONTROL, children_of, name_of
from support.servers.embedded import running
from support.servers.static_files import small_and_large

HELD_BACK_S = 0.2
PATIENCE_S = 20.0
"""A test that waits so long has failed."""


def hello(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    body = environ["wsgi.input"].read()
    start("200 OK", [("Content-Type", "text/plain")])
    yield b"hello " + body


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_and_large(tmp_path)


def control_socket(pid: int) -> Path:
    return next(path for path in candidates(pid) if path.exists())


def check_steps(trace: Trace) -> None:
    """In order, without gaps or overlaps, and together the whole."""
    at = 0.0
    for number, step in enumerate(trace.steps, 1):
        assert step.step == number
        assert step.start_us == pytest.approx(at, abs=0.01)
        assert step.duration_us >= 0
        assert step.happened is (step.why_not is None)
        assert step.happened or step.duration_us == 0
        at = step.start_us + step.duration_us
    assert at == pytest.approx(trace.summary.total_us, abs=0.1)
    assert trace.summary.total_us > 0


@pairs()
def test_the_next_matching_requests_are_traced_in_every_pair(
    pair: dict[str, str], folder: Path
) -> None:
    with running(target=str(folder), **pair) as (server, address):
        with Client(address) as early:
            early.get("/small")
            attaching = Attached(server.pid, pattern="/[sl]*", count=3, privileged=False)
            with attaching as attached:
                assert early.get("/nothing").status == 404
                assert early.get("/small?x=1").status == 200
                early.sock.close()
                with Client(address) as late:
                    assert late.get("/large").status == 200
                    assert late.get("/sorry").status == 404
                    traces = list(attached.traces(PATIENCE_S))
                    with pytest.raises(StopIteration):
                        next(attached.traces(0.001))
        with Client(address) as after:
            assert after.get("/small").status == 200
    # They are told of when they are over, which need not be the order of their beginnings.
    traces.sort(key=lambda trace: trace.request["started"])
    assert [(t.request["target"], t.request["status"]) for t in traces] == [
        ("/small?x=1", 200),
        ("/large", 200),
        ("/sorry", 404),
    ]
    for trace in traces:
        check_steps(trace)
        assert trace.pair["engine"] == pair["io"]
        assert trace.pair["serving"] == pair["serving"]
        assert not trace.privileged
    assert traces[1].request["bytes"] > 300_000
    # The first request for a file opens it, and asks which of its pages are in memory.
    large = traces[1]
    opening = [e for e in large.steps[3].evidence if e.event.startswith("open.")]
    assert [e.event for e in opening] == ["open.enter", "open.exit"]
    assert "bytes 300000" in opening[1].detail
    disk = f"{large.steps[5].why_not} {large.steps[5].evidence}"
    assert any(text in disk for text in ("cachestat", *page_cache.REFUSALS.values()))


@pairs()
def test_applications_are_traced_in_every_pair(pair: dict[str, str]) -> None:
    with (
        running(target=hello, **pair) as (server, address),
        Attached(server.pid, privileged=False) as attached,
        Client(address) as client,
    ):
        client.send(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nda")
        client.send(b"ta")
        answer = client._until(b"hello data")
        trace = next(attached.traces(PATIENCE_S))
    assert answer.startswith(b"HTTP/1.1 200")
    check_steps(trace)
    assert trace.request["method"] == "POST"
    assert "application" in (trace.steps[3].why_not or "")


def test_the_control_process_outlives_a_want_of_descriptors(folder: Path) -> None:
    """It has tried to accept once it has slept again."""
    with (
        running(target=str(folder)) as (server, _),
        socket.socket(socket.AF_UNIX) as asks,
    ):
        control = next(pid for pid in children_of(server.pid) if name_of(pid) == CONTROL)
        kept = resource.prlimit(control, resource.RLIMIT_NOFILE)
        resource.prlimit(control, resource.RLIMIT_NOFILE, (3, kept[1]))
        slept, _ = switches(control)
        asks.settimeout(PATIENCE_S)
        asks.connect(str(control_socket(server.pid)))
        asks.sendall(b'{"do": "inspect"}\n')
        until = time.monotonic() + PATIENCE_S
        while switches(control)[0] == slept and time.monotonic() < until:
            time.sleep(0.001)
        resource.prlimit(control, resource.RLIMIT_NOFILE, kept)
        assert asks.recv(1) == b"["


@pytest.mark.parametrize("privileged", [False, True])
@pytest.mark.parametrize("part", ["head", "body"])
@measured_again
def test_a_client_that_is_slow_is_network_wait(part: str, *, privileged: bool) -> None:
    request = b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\ndata"
    kept_back = {"head": 10, "body": 2}[part]
    with (
        running(target=hello, serving="thread") as (server, address),
        Attached(server.pid, privileged=privileged) as attached,
        Client(address) as client,
    ):
        client.send(request[:-kept_back])
        assert not select.select([client.sock], [], [], HELD_BACK_S)[0]
        client.send(request[-kept_back:])
        trace = next(attached.traces(PATIENCE_S))
    check_steps(trace)
    # On a busy machine the first part comes late, too: what counts is where the time went.
    assert trace.summary.network_wait_us > 0.5 * trace.summary.total_us
    assert trace.summary.application_us < 0.5 * trace.summary.network_wait_us
    assert trace.summary.network_copy_us < 0.5 * trace.summary.network_wait_us


def test_all_workers_are_traced(folder: Path) -> None:
    with (
        running(target=str(folder), workers=3, serving="async") as (server, address),
        Attached(server.pid, count=24, privileged=False) as attached,
    ):
        assert attached.processes == 3
        for _ in range(24):
            with Client(address) as client:  # the kernel chooses the worker
                client.get("/small")
        traces = list(attached.traces(PATIENCE_S))
    threads = {e.detail.rpartition("tid ")[2] for t in traces for e in t.steps[2].evidence}
    assert len(traces) == 24
    assert len(threads) > 1


def test_a_connection_is_traced_again_and_again(folder: Path) -> None:
    looked: list[bool] = []
    with (
        running(target=str(folder), serving="async") as (server, address),
        Client(address) as client,
    ):
        client.get("/small")
        for _ in range(3):
            with Attached(server.pid, privileged=False) as attached:
                client.get("/small")
                looked.append(len(list(attached.traces(PATIENCE_S))) == 1)
            client.get("/small")
    assert looked == [True, True, True]


def test_the_socket_is_its_users_alone_and_goes_with_the_server(folder: Path) -> None:
    with running(target=str(folder)) as (server, _):
        path = control_socket(server.pid)
        state = path.lstat()
        assert stat.S_ISSOCK(state.st_mode)
        assert stat.S_IMODE(state.st_mode) == 0o600
        assert state.st_uid == os.geteuid()
        assert stat.S_IMODE(path.parent.lstat().st_mode) == 0o700
    assert not path.exists()


def test_a_supervisor_that_is_killed_leaves_no_socket(folder: Path) -> None:
    server = Server(Settings(target=str(folder), bind=("127.0.0.1:0",)))
    server.__enter__()
    path = control_socket(server.pid)
    tree = processes_of_tree(server.pid)
    ends = [os.pidfd_open(pid) for pid in tree]
    os.kill(server.pid, signal.SIGKILL)
    os.waitpid(server.pid, 0)
    server._pid = 0
    server.close()
    for end in ends:
        wait_for_end(end)
    assert not path.exists()


def wait_for_end(pidfd: int) -> None:
    assert select.select([pidfd], [], [], PATIENCE_S)[0]
    os.close(pidfd)


def test_sockets_of_servers_that_are_gone_are_swept(folder: Path) -> None:
    gone = os.fork()
    if not gone:
        os._exit(0)
    os.waitpid(gone, 0)
    stale = private_folder() / f"{gone}.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(stale))
    with running(target=str(folder)):
        assert not stale.exists()


def test_a_process_that_is_traced_may_be_named_by_a_worker(folder: Path) -> None:
    with running(target=str(folder)) as (server, address):
        worker = max(pid for pid in processes_of_tree(server.pid) if catches(pid, signal.SIGURG))
        assert worker != server.pid
        with Attached(worker, privileged=False) as attached, Client(address) as client:
            client.get("/small")
            assert len(list(attached.traces(PATIENCE_S))) == 1


def command(pid: object, *options: str, **how: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "fivefold", "trace", "--attach", str(pid), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **how,
    )


def said(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err


def attached_line(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline()


def test_no_such_process() -> None:
    code, _, err = said(command(4_000_000))
    assert (code, err) == (1, "fivefold: there is no process 4000000\n")


def test_not_fivefold() -> None:
    # Not process 1, which inherits servers whose starter has died.
    with subprocess.Popen(["sleep", "600"]) as other:
        code, _, err = said(command(other.pid))
        other.kill()
    assert (code, err) == (1, f"fivefold: process {other.pid} is no Fivefold server\n")


def test_a_second_tracer_learns_the_pid_of_the_first(folder: Path) -> None:
    first = f"process {os.getpid()} is tracing it already"
    with (
        running(target=str(folder)) as (server, _),
        Attached(server.pid, privileged=False),
        pytest.raises(TraceFailed, match=first),
    ):
        Attached(server.pid, privileged=False).__enter__()


def test_nothing_came_in_time(folder: Path) -> None:
    with running(target=str(folder)) as (server, _):
        code, _, err = said(command(server.pid, "--match", "/checkout*", "--timeout", "0.2"))
    assert code == 1
    assert err.splitlines()[-1] == "fivefold: no request for '/checkout*' came within 0.2 s"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_tracer_that_is_ended_leaves_nothing(number: signal.Signals, folder: Path) -> None:
    with running(target=str(folder)) as (server, address):
        with command(server.pid) as process:
            assert "attached to" in attached_line(process)
            guards = [os.pidfd_open(pid) for pid in children_of(process.pid)]
            process.send_signal(number)
            code, _, err = said(process)
        for guard in guards:
            wait_for_end(guard)
        assert code == (-number if number == signal.SIGKILL else 128 + number)
        if number == signal.SIGINT:
            assert err.splitlines() == ["fivefold: no request came before Ctrl-C"]
        with Attached(server.pid, privileged=False):
            pass  # it lets somebody else in
        with Client(address) as client:
            assert client.get("/small").status == 200
    root = tracefs.root()
    if root is not None:
        assert not list(root.glob(f"instances/fivefold-{process.pid}-*"))


@only_root
def test_nobody_else_may_attach(folder: Path) -> None:
    with running(target=str(folder)) as (server, _):
        path = str(control_socket(server.pid))
        refused = as_nobody(Attached(server.pid, privileged=False).__enter__)
        assert refused == (
            f"TraceFailed: process {server.pid} belongs to another user (uid 0):"
            " only they or root may trace it"
        )
        # And not by another program either.
        with socket.socket(socket.AF_UNIX) as sock:
            assert as_nobody(lambda: sock.connect(path)).startswith("PermissionError")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_connection_that_another_user_made_is_not_heard(folder: Path) -> None:
    """Even if the mode of the socket would let them in, its other end knows who they are."""
    with running(target=str(folder)) as (server, _):
        path = control_socket(server.pid)
        path.parent.chmod(0o711)
        path.chmod(0o666)

        def attempt() -> None:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
                sock.sendall(b'{"do":"attach","match":"","count":1}\n')
                raise RuntimeError(repr(sock.recv(100)))

        try:
            heard = as_nobody(attempt)
        finally:
            path.parent.chmod(0o700)
        refusals = ("RuntimeError: b''", "ConnectionResetError", "BrokenPipeError")
        assert heard.startswith(refusals)


def test_the_command_writes_every_form(folder: Path) -> None:
    forms = {word: folder / f"out.{word}" for word in ("json", "perfetto", "html")}
    options = [text for word, path in forms.items() for text in (f"--{word}", str(path))]
    with (
        running(target=str(folder)) as (server, address),
        # The kernel's events are those of the whole machine: a busy one has many to be read.
        command(server.pid, "--count", "2", "--unprivileged", *options) as process,
    ):
        assert "attached to" in attached_line(process)
        with Client(address) as client:
            client.get("/small")
            client.get("/large")
        code, out, err = said(process)
    assert code == 0, err
    assert out.count("network wait = ") == 2
    assert all(len(line) <= 80 for line in out.splitlines())
    traces = json.loads(forms["json"].read_text())
    assert [t["request"]["target"] for t in traces] == ["/small", "/large"]
    assert json.loads(forms["perfetto"].read_text())["traceEvents"]
    assert "<html" in forms["html"].read_text()


@pytest.mark.skipif(tracefs.available() is not None, reason=str(tracefs.available()))
@pytest.mark.parametrize("io", ["blocking", "multiplexing", "sigio", "aio"])
def test_the_kernel_sees_the_request_arrive_and_the_response_leave(io: str, folder: Path) -> None:
    with (
        running(target=str(folder), serving="thread", io=io) as (server, address),
        Attached(server.pid, count=2) as attached,
        Client(address) as client,
    ):
        client.get("/small")
        client.get("/large")
        traces = list(attached.traces(PATIENCE_S))
    for trace in traces:
        check_steps(trace)
        assert trace.privileged
        for step in (1, 2, 10, 11):
            assert trace.steps[step - 1].happened
            assert {e.source for e in trace.steps[step - 1].evidence} == {"tracefs"}


def test_an_exchange_of_which_nothing_was_seen_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its messages were lost, all but the last: a busy machine."""
    server, ours = socket.socketpair()
    monkeypatch.setattr(Attached, "_sock", ours, raising=False)
    with server, ours:
        server.sendall(b'{"x": "1", "done": {}}\n')
        assert not list(Attached(os.getpid(), privileged=False).traces(timeout_s=0.01))


def test_servers_of_other_namespaces_keep_their_control_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share the folder; their numbers are seen by nobody here, or are somebody else's."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    beyond = 1 << 23  # more than a number of a process can be
    elsewhere, its_path = bound(beyond)
    ours, our_path = bound(os.getpid())
    with elsewhere, ours:
        assert its_path.exists()
        with pytest.raises(FileExistsError):
            bound(os.getpid())
        assert our_path.exists()
    again, its_path_again = bound(beyond + 1)
    with again:
        assert list(its_path_again.parent.iterdir()) == [its_path_again]
