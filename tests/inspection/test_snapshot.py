"""What a running server says of its connections, threads and tasks, in every pair."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from applications import gate
from fivefold import Server, Settings
from fivefold.cli.stacks import lines_of
from fivefold.linux.processes import processes_of_tree
from fivefold.serving import MODELS
from fivefold.tracing.attach.inspected import inspected
from support.client import Client
from support.command_line import fivefold
from support.every_pair import pairs
from support.servers.embedded import address_of
from support.servers.logged import logged

PATIENCE_S = 30.0

LARGE = bytes(8_000_000)


def slow_then_large(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    gate.pass_the_gate(environ["QUERY_STRING"])
    start("200 OK", [("Content-Length", str(len(LARGE)))])
    return [LARGE]


def seen(
    pid: int, wanted: Callable[[dict[str, Any]], bool], of: str = "connections"
) -> tuple[Any, Any]:
    """A process, and of its connections the one that is as wanted, as soon as there is one."""
    until = time.monotonic() + PATIENCE_S
    while True:
        processes = inspected(pid)
        for process in processes:
            for one in process[of]:
                if wanted(one):
                    return process, one
        assert time.monotonic() < until, processes
        time.sleep(0.02)


def in_state(state: str) -> Callable[[dict[str, Any]], bool]:
    return lambda connection: connection["state"] == state


def at_the_gate(what: dict[str, Any]) -> bool:
    """Whether a connection or a thread is in a handler that waits."""
    return any(line.endswith("in pass_the_gate") for line in what["stack"][-2:])


def sleeps_at_the_gate(thread: dict[str, Any]) -> bool:
    """Without the right to trace (ptrace(2)) the control process knows no call."""
    return at_the_gate(thread) and thread["state"] == "S" and thread["call"] in ("openat", None)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def server(pair: dict[str, str], target: Any, log: Path) -> Iterator[Server]:
    settings = {"target": target, "bind": "127.0.0.1:0", "grace_s": 10.0, **pair}
    with logged(log), Server(Settings.of({"slow_request_s": 0.1} | settings)) as running:
        yield running


def slow_ones(log: Path, *, least: int) -> list[str]:
    """What the log says of slow requests, as soon as it says so much."""
    until = time.monotonic() + PATIENCE_S
    while len(found := log.read_text().split(" takes ")[1:]) < least:
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.02)
    return found


@pairs()
@pytest.mark.parametrize("target", [slow_then_large], ids=["wsgi"])
def test_a_connection_is_followed_from_its_client_through_its_application(
    server: Server, fifo: Path, log: Path
) -> None:
    address = address_of(server)
    with Client(address, receive_buffer=65536) as client:
        line = f"GET /x?gate={quote(str(fifo))} HTTP/1.1"
        client.send(line.encode() + b"\r\nHost: t\r\n")
        _, waits = seen(server.pid, in_state("waiting for the client"))
        assert waits["peer"] == "{}:{}".format(*client.sock.getsockname())
        assert waits["request"] is None
        client.send(b"\r\n")
        _, works = seen(server.pid, at_the_gate)
        assert works["state"] == "in the application"
        assert works["request"] == line
        assert 0 <= works["request_s"] <= works["age_s"]
        # The kernel was perhaps asked before that thread slept.
        thread = seen(server.pid, sleeps_at_the_gate, of="threads")[1]
        assert thread["tid"] == works["tid"]
        assert (thread["asleep_s"] is not None) == Path("/proc/self/sched").exists()
        assert len(slow_ones(log, least=1)) == 1
        with fifo.open("wb") as opened:
            opened.write(b"x")
        seen(server.pid, in_state("waiting for the client to take it"))
        assert client.answer().body == LARGE
        seen(server.pid, in_state("idle"))
    assert log.read_text().count(repr(line)) == 1


@pytest.mark.parametrize("target", [gate.asgi], ids=["asgi"])
@pytest.mark.parametrize(
    "pair",
    [
        {"serving": serving, "io": engine}
        for serving in MODELS
        for engine in ("blocking", "epoll")
        if (serving, engine) != ("async", "blocking")
    ],
    ids=lambda pair: "{serving}-{io}".format(**pair),
)
def test_the_task_of_a_request_is_followed_wherever_it_runs(
    server: Server, fifo: Path, log: Path
) -> None:
    with Client(address_of(server)) as client:
        client.send(f"GET /later?gate={quote(str(fifo))} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        process, works = seen(server.pid, at_the_gate)
        assert works["state"] == "in the application"
        assert [t["fd"] for t in process["tasks"]] == [works["fd"]]
        printed = "\n".join(lines_of(process))
        assert f"task {process['tasks'][0]['name']} for connection {works['fd']}" in printed
        assert "in the application: 'GET /later?gate=" in printed
        command = fivefold("stacks", str(process["pid"]))
        assert command.returncode == 0
        assert f"process {process['pid']} (" in command.stdout
        read = json.loads(fivefold("stacks", "--json", str(server.pid)).stdout)
        asks = [c["request"] for each in read for c in each["connections"]]
        assert any(str(request).startswith("GET /later?gate=") for request in asks)
        with fifo.open("wb") as opened:
            opened.write(b"x")
        assert client.answer().body == b"x"
        assert len(slow_ones(log, least=1)) == 1


@pytest.mark.parametrize("target", [slow_then_large], ids=["wsgi"])
@pytest.mark.parametrize(
    "pair", [{"serving": serving, "io": "epoll"} for serving in MODELS], ids=list(MODELS)
)
def test_a_slow_request_is_logged_with_its_stack_and_its_system_call(
    server: Server, fifo: Path, log: Path
) -> None:
    """Once each; on a busy machine it may be late before it is at the gate."""
    said: list[str] = []
    with Client(address_of(server)) as client:
        for number in range(1, 10):
            client.send(f"GET /x?gate={quote(str(fifo))} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            said = slow_ones(log, least=number)
            with fifo.open("wb") as opened:
                opened.write(b"x")
            client.answer()
            if "in pass_the_gate" in said[-1] and " sleeps in openat for " in said[-1]:
                return
    raise AssertionError(said)


def spins(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    holds_the_gil()
    return []


def holds_the_gil() -> None:
    sum(itertools.repeat(0))  # C code that neither ends nor looks for signals


@pytest.mark.parametrize("target", [spins], ids=["wsgi"])
@pytest.mark.parametrize("pair", [{"serving": "process", "io": "epoll", "grace_s": 0.1}])
def test_a_process_that_holds_the_gil_is_shown_from_outside(server: Server) -> None:
    with Client(address_of(server)) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        until = time.monotonic() + PATIENCE_S
        # On a busy machine others may not answer in time.
        stuck: list[dict[str, Any]] = []
        while not stuck:
            assert time.monotonic() < until
            processes = inspected(server.pid)
            stuck = [p for p in processes if "in holds_the_gil" in (p["raw"] or "")]
        assert stuck[0]["pid"] in processes_of_tree(server.pid)
        assert not stuck[0]["answers"]
        assert any("in holds_the_gil" in line for line in lines_of(stuck[0]))
        assert stuck[0]["threads"][0]["state"] == "R"
        os.kill(stuck[0]["pid"], 9)
