"""`/metrics`: read by Prometheus' own parser, and right whatever serves and whatever dies."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fivefold import Server, Settings
from fivefold.linux.proc.accept_queues import waiting
from fivefold.serving import MODELS
from fivefold.status.observer import most_rows
from fivefold.status.rows import CLOSED, OPENED, Rows
from support.client import Client
from support.held_back import SLEW, held_back, hold_since, stamping_kernel
from support.process_tree import workers_of
from support.servers.deployed import Deployed, deployed, until
from support.status_client import Status

every_model = pytest.mark.parametrize("serving", MODELS)

APPLICATION = """
import os, pathlib, time

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/slow":
        while not pathlib.Path("done").exists():
            time.sleep(0.01)
    if path == "/pid":
        start_response("200 OK", [])
        return [str(os.getpid()).encode()]
    start_response("404 Not Found" if path == "/none" else "200 OK", [])
    return [b"0123456789" * 50]
"""

Samples = dict[tuple[str, str], float]
"""By name and the values of its labels, which the library sorts by their names."""


def samples(text: str) -> Samples:
    return {
        (sample.name, "/".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Measured:
    def __init__(self, server: Deployed, status: Status) -> None:
        self.server = server
        self.status = status

    def now(self) -> Samples:
        code, text = self.status.ask("/metrics")
        assert code == 200
        return samples(text)

    def until(self, name: str, labels: str, value: float) -> None:
        """An exchange is counted when its client has had the answer already."""
        until(lambda: self.now().get((name, labels)) == value, f"{name} {labels} {value}")


@contextlib.contextmanager
def measured(folder: Path, *arguments: str) -> Iterator[Measured]:
    (folder / "counted.py").write_text(APPLICATION)
    status = Status(folder)
    with deployed(folder, "counted:app", *arguments, *status.arguments) as server:
        until(status.is_ready, "ready")
        yield Measured(server, status)
        (folder / "done").touch()
        assert server.stop() == 0


@every_model
def test_requests_connections_and_histograms(tmp_path: Path, serving: str) -> None:
    with measured(tmp_path, "--serving", serving) as it, Client(it.server.address) as kept:
        for _ in range(3):
            assert kept.get("/").status == 200
        assert it.server.status("/none") == 404
        with Client(it.server.address) as slow:
            slow.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            it.until("fivefold_connections", "active", 1)
            it.until("fivefold_connections", "idle", 1)
            (tmp_path / "done").touch()
            assert slow.answer().status == 200
        it.until("fivefold_requests_total", "wsgi/200", 4)
        it.until("fivefold_requests_total", "wsgi/404", 1)
        it.until("fivefold_connections", "idle", 1)
        found = it.now()
        assert found["fivefold_connections", "active"] == 0
        assert found["fivefold_connections_opened_total", ""] == 3
        assert found["fivefold_request_duration_seconds_count", ""] == 5
        assert found["fivefold_request_duration_seconds_bucket", "+Inf"] == 5
        assert found["fivefold_response_size_bytes_sum", ""] == 5 * 500
        assert found["fivefold_response_size_bytes_bucket", "100"] == 0
        assert found["fivefold_response_size_bytes_bucket", "1000"] == 5
        assert found["fivefold_workers_ready", ""] == 1
        assert (("fivefold_event_loop_lag_seconds", "") in found) == (
            MODELS[serving].traits.one_thread
        )


def test_time_in_the_queue_is_that_of_each_connection(tmp_path: Path) -> None:
    with stamping_kernel(), measured(tmp_path) as it:
        with held_back(it.server.process.pid):
            client = Client(it.server.address)
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            held_s = hold_since(monotonic())
        with client:
            assert client.answer().status == 200
            assert client.get("/").status == 200
        it.until("fivefold_requests_total", "wsgi/200", 2)
        found = it.now()
        assert found["fivefold_queue_seconds_count", ""] == 1
        assert found["fivefold_queue_seconds_bucket", "0.01"] == 0
        assert found["fivefold_queue_seconds_bucket", "+Inf"] == 1
        assert found["fivefold_queue_seconds_sum", ""] >= held_s * SLEW


def test_each_service_is_named(tmp_path: Path) -> None:
    (tmp_path / "counted.py").write_text(APPLICATION)
    (tmp_path / "services.toml").write_text(
        """
        [[serve]]
        target = "counted:app"
        serving = "thread"
        io = "blocking"
        bind = ["127.0.0.1:0"]
        [[serve]]
        target = "."
        serving = "async"
        io = "poll"
        bind = ["unix:@{name}"]
        """.format(name=f"fivefold-test-{tmp_path.stat().st_ino}-service")
    )
    status = Status(tmp_path)
    command = [sys.executable, "-m", "fivefold", "serve", "--config", "services.toml"]
    with subprocess.Popen([*command, *status.arguments], cwd=tmp_path) as server:
        try:
            until(status.is_ready, "ready")
            text = status.ask("/metrics")[1]
            pairs = {
                (sample.labels["serving"], sample.labels["io"], sample.labels["address"][:5])
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name == "fivefold_info"
            }
            assert pairs == {
                ("thread", "blocking", "http:"),
                ("async", "poll", "unix:"),
            }
            title = status.ask("/")[1].partition("<title>")[2].partition("</title>")[0]
            assert ": thread + blocking, unix:" in title
            assert title.endswith(": async + poll")
        finally:
            server.terminate()
            assert server.wait(60) == 0


def test_workers_that_are_added_have_rows(tmp_path: Path) -> None:
    """By SIGTTIN: else they would share one, and lose counts."""
    server = Server(Settings(target=str(tmp_path), serving="async", workers=1))
    assert most_rows(server) > 500


@every_model
def test_counts_outlive_whatever_has_counted(tmp_path: Path, serving: str) -> None:
    with measured(tmp_path, "--serving", serving) as it:
        with Client(it.server.address) as client:
            pid = int(client.get("/pid").body)
            it.until("fivefold_requests_total", "wsgi/200", 1)
            os.kill(pid, signal.SIGKILL)
            it.until("fivefold_connections", "idle", 0)
        it.server.answers()
        it.until("fivefold_requests_total", "wsgi/200", 2)
        [worker] = workers_of(it.server.process.pid)
        died = int(MODELS[serving].traits.scales_by_workers)  # else it was no worker
        assert it.now()["fivefold_workers_died_total", ""] == died
        assert it.now()["fivefold_workers_started_total", ""] == 1 + died
        it.until("fivefold_connection_processes_died_total", "", 1 - died)
        os.kill(worker, signal.SIGKILL)
        it.until("fivefold_workers_died_total", "", 1 + died)
        until(it.status.is_ready, "the next worker")
        it.server.answers()
        it.until("fivefold_requests_total", "wsgi/200", 3)


@every_model
def test_clients_that_are_refused(tmp_path: Path, serving: str) -> None:
    full = ("--serving", serving, "--max-connections", "1", "--overload", "503")
    with measured(tmp_path, *full) as it, Client(it.server.address) as only:
        assert only.get("/").status == 200
        for _ in range(2):
            assert it.server.status("/") == 503
        it.until("fivefold_connections_refused_total", "", 2)
        assert it.now()["fivefold_connections_opened_total", ""] == 1


@pytest.mark.parametrize("serving", ["thread", "process"])
def test_fresh_threads_and_processes_add_to_rows_of_those_before(
    tmp_path: Path, serving: str
) -> None:
    with measured(tmp_path, "--serving", serving, "--fresh", "--max-connections", "2") as it:
        for _ in range(40):  # more than there are rows
            it.server.answers()
        it.until("fivefold_requests_total", "wsgi/200", 40)
        assert it.now()["fivefold_connections_opened_total", ""] == 40


def test_what_waits_to_be_accepted(tmp_path: Path) -> None:
    with measured(tmp_path) as it:
        address = "http://{}:{}".format(*it.server.address)
        it.until("fivefold_accept_queue", address, 0)
        # A signal takes a moment: a thread of the worker may accept until it is stopped.
        with held_back(it.server.process.pid):
            clients = Client(it.server.address), Client(it.server.address)
            it.until("fivefold_accept_queue", address, 2)
        it.until("fivefold_accept_queue", address, 0)
        for client in clients:
            client.sock.close()


def test_a_queue_that_was_added_later_counts_for_its_address() -> None:
    """Of a worker that SIGTTIN added, or of a server that takes over."""
    with contextlib.ExitStack() as stack:
        first, second, other = (stack.enter_context(socket.socket()) for _ in range(3))
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        first.bind(("127.0.0.1", 0))
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        second.bind(first.getsockname())
        other.bind(("127.0.0.1", 0))
        for listener in (first, second, other):
            listener.listen(64)
        stack.enter_context(socket.create_connection(other.getsockname()))
        for _ in range(40):
            stack.enter_context(socket.create_connection(first.getsockname()))
        inodes = [os.fstat(sock.fileno()).st_ino for sock in (first, second)]
        # A connection is in the queue a moment after its client has it.
        until(lambda: waiting(inodes[:1]) == {inodes[0]: 40}, "all in one sum")
        both = waiting(inodes)
        assert sum(both.values()) == 40
        assert all(both.values())


def test_the_queue_of_a_unix_socket() -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind("")  # the kernel chooses a name (unix(7), "Autobind feature")
        listener.listen(4)
        inode = os.fstat(listener.fileno()).st_ino
        before = waiting([inode])
        if not before:
            pytest.skip("this kernel has no sock_diag for UNIX sockets")
        assert before == {inode: 0}
        client.connect(listener.getsockname())
        assert waiting([inode]) == {inode: 1}


def test_a_stopped_event_loop_is_late(tmp_path: Path) -> None:
    with measured(tmp_path, "--serving", "async") as it:
        [worker] = workers_of(it.server.process.pid)
        lag = "fivefold_event_loop_lag_seconds", ""
        os.kill(worker, signal.SIGSTOP)
        until(lambda: it.now()[lag] > 0.5, "lateness")
        os.kill(worker, signal.SIGCONT)
        until(lambda: it.now()["fivefold_event_loop_late_seconds_total", ""] > 0.5, "a sum")


BLOCKS = """
import time

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    time.sleep(0.2)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
"""

SERVICE = """
[[serve]]
target = "blocks:app"
serving = "async"
bind = "127.0.0.1:0"
keep_alive_s = 0.2  # a tick each 0.05 s, and not each half a second as by default
"""


def test_a_handler_that_blocks_makes_its_loop_late(tmp_path: Path) -> None:
    (tmp_path / "blocks.py").write_text(BLOCKS)
    (tmp_path / "fivefold.toml").write_text(SERVICE)
    status = Status(tmp_path)
    name = "fivefold_event_loop_late_seconds_total", ""
    with deployed(tmp_path, "--config", "fivefold.toml", *status.arguments, bind="") as server:
        until(status.is_ready, "ready")
        it = Measured(server, status)
        before = it.now()[name]
        assert server.status("/") == 204
        # Of its 0.2 s all but the rest of the tick in which it began.
        until(lambda: it.now()[name] - before > 0.14, "that it was late")
        assert server.stop() == 0


def test_threads_share_out_the_rows_of_their_process() -> None:
    rows = Rows(3)
    seen = []

    def serve() -> None:
        words = rows.own().words
        words[OPENED] += 1
        words[CLOSED] += 1
        seen.append(rows.own().words is words)

    for _ in range(5):
        thread = threading.Thread(target=serve)
        thread.start()
        thread.join()
    assert seen == [True] * 5
    assert rows.total()[OPENED] == 5
    assert len(rows._locked) == 1


def test_a_row_is_free_when_its_process_has_died() -> None:
    rows = Rows(1)
    for count in (1, 2):
        pid = os.fork()
        if not pid:
            rows.own().words[OPENED] += 1
            os._exit(0)
        os.waitpid(pid, 0)
        assert rows.total()[OPENED] == count
        assert list(rows.living()) == []
