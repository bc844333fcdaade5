"""`fivefold top`: what is shown of a snapshot, of a real server, and in a real terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pytest

from fivefold import Server, Settings
from fivefold.cli.top import overview
from fivefold.serving import MODELS
from fivefold.status.rates import UNCOUNTED, Rates, counted, described
from fivefold.status.rows import DURATION, DURATION_SUM, STATUSES, WORDS
from support.client import Client
from support.command_line import fivefold
from support.servers.deployed import until
from support.servers.embedded import address_of

PATIENCE_S = 30.0


THREAD = {
    "tid": 10,
    "name": "worker",
    "state": "S",
    "call": "epoll_wait",
    "on": "5 epoll",
    "waits_in": "ep_poll",
    "asleep_s": 1.5,
}


def connection(request: str | None, request_s: float | None, state: str) -> dict[str, Any]:
    asked = {"request": request, "request_s": request_s, "stream": None, "streams": None}
    return {"peer": "10.0.0.1:4711", "age_s": 9.0, "state": state} | asked


def process(threads: int, *connections: dict[str, Any], raw: str | None = None) -> dict[str, Any]:
    every = [THREAD] * threads
    return {"pid": 10, "threads": every, "connections": list(connections), "raw": raw}


def test_the_slowest_request_is_first_and_idle_connections_are_last() -> None:
    idle = connection(None, None, "idle")
    fast = connection("GET /fast HTTP/1.1", 0.1, "copying out")
    slow = connection("GET /slow HTTP/1.1", 8.0, "in the application")
    lines = overview(10, [process(1, idle, fast, slow)], "")
    assert lines[0] == "fivefold 10: 1 process, 1 thread, 3 connections"
    assert [line.split()[0] for line in lines[3:6]] == ["8.00", "0.10", "9.00"]
    assert "in the application" in lines[3]
    assert lines[3].endswith("10.0.0.1:4711          GET /slow HTTP/1.1")
    assert lines[-1].endswith("worker            sleeps in epoll_wait on 5 epoll for 1.50 s")


def test_a_client_does_not_control_the_terminal() -> None:
    evil = connection("GET /\x1b]0;x\x07\x9b2J\r\n\x7f\u202e HTTP/1.1", 1.0, "in the application")
    text = "".join(overview(10, [process(1, evil)], ""))
    assert all(" " <= char <= "~" for char in text)
    assert r"GET /\x1b]0;x\x07\x9b2J\r\n\x7f\u202e HTTP/1.1" in text


def test_what_does_not_fit_is_counted() -> None:
    many = [connection(None, None, "idle")] * 50
    for rows in range(5, 120):
        lines = overview(10, [process(50, *many)], "", rows)
        assert len(lines) == min(rows, 105)
    assert sum("and 46 more" in line for line in overview(10, [process(50, *many)], "", 15)) == 2


def test_a_process_without_an_answer_is_named() -> None:
    assert overview(10, [process(1, raw="x")], "")[0].endswith("connections unknown: 10")


def serving(folder: Path, **more: Any) -> Server:
    (folder / "index.html").write_text("hello")
    fixed = {"target": str(folder), "bind": ("127.0.0.1:0",), "serving": "thread", "io": "epoll"}
    return Server(Settings(**(fixed | more)))


def ask(server: Server, times: int) -> None:
    """Waits until so many more are counted: an answer may come before."""
    before = requests(server)
    with Client(address_of(server)) as client:
        for _ in range(times):
            assert client.get("/").status == 200
    until(lambda: requests(server) == before + times, "as many counted as were answered")


def requests(server: Server) -> int:
    counts = counted([server.pid])
    assert counts
    return sum(counts[:STATUSES])


@pytest.mark.parametrize("model", MODELS)
def test_rates_are_those_of_the_clients(model: str, tmp_path: Path) -> None:
    with serving(tmp_path, serving=model, status=f"unix:{tmp_path}/status") as server:
        ask(server, 3)
        rates = Rates()
        earliest = time.monotonic()
        first = rates.look([server.pid])
        latest = time.monotonic()
        assert first.startswith("3 requests since the start, 0 with status 5xx; p50 <= ")
        ask(server, 40)
        least = time.monotonic() - latest
        shown = re.match(r"(\S+) requests/s, 0\.0/s with", rates.look([server.pid]))
        most = time.monotonic() - earliest
        assert shown
        assert 40 / most - 0.1 <= float(shown[1]) <= 40 / least + 0.1


def test_percentiles_are_bounds() -> None:
    new = [0] * WORDS
    new[200], new[503] = 98, 2
    new[DURATION + 3], new[DURATION + 8], new[DURATION_SUM - 1] = 50, 47, 3
    assert described(new, 10.0) == (
        "10.0 requests/s, 0.2/s with status 5xx; p50 <= 1 ms; p95 <= 50 ms; p99 > 10000 ms"
    )
    assert described([0] * WORDS, 1.0).endswith("p50 -; p95 -; p99 -")


def test_once_shows_a_real_server_and_says_when_there_is_none(tmp_path: Path) -> None:
    with serving(tmp_path) as server, Client(address_of(server)) as client:
        assert client.get("/").body == b"hello"
        shown = fivefold("top", str(server.pid))  # its output is no terminal
        assert shown.returncode == 0
        assert "idle                            {}:{}".format(*client.sock.getsockname()) in (
            shown.stdout
        )
        assert "fivefold-trace" in shown.stdout
        assert UNCOUNTED in shown.stdout
        assert "\x1b" not in shown.stdout
        said = json.loads(fivefold("top", "--json", str(server.pid)).stdout)
        assert (said["pid"], said["rates"]) == (server.pid, UNCOUNTED)
        peers = [c["peer"] for one in said["processes"] for c in one["connections"]]
        assert peers == ["{}:{}".format(*client.sock.getsockname())]
    gone = fivefold("top", "--once", str(server.pid))
    assert gone.returncode == 1
    assert len(gone.stderr.splitlines()) == 1


def read_until(terminal: int, wanted: bytes) -> bytes:
    until = time.monotonic() + PATIENCE_S
    seen = b""
    while wanted not in seen:
        assert time.monotonic() < until, seen
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536)
    return seen


def test_q_ends_it_and_the_terminal_is_as_before(tmp_path: Path) -> None:
    terminal, inside = pty.openpty()
    termios.tcsetwinsize(inside, (12, 60))
    before = termios.tcgetattr(inside)
    with serving(tmp_path, status=f"unix:{tmp_path}/status") as server:
        command = [sys.executable, "-m", "fivefold", "top", str(server.pid), "--interval-s", "60"]
        environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        with subprocess.Popen(
            command, stdin=inside, stdout=inside, stderr=inside, env=environment
        ) as running:
            try:
                first = read_until(terminal, b"\x1b[J")
                assert b"\x1b[?1049h" in first
                assert b"DOES" in first
                assert b"0 requests since the start, 0 with" in first
                lines = first.partition(b"\x1b[H")[2].split(b"\r\n")
                assert len(lines) <= 12
                assert max(len(line.split(b"\x1b")[0]) for line in lines) <= 59
                os.write(terminal, b"q")
                read_until(terminal, b"\x1b[?1049l")
                assert running.wait(PATIENCE_S) == 0
            finally:
                running.kill()
    assert termios.tcgetattr(inside) == before
    os.close(terminal)
    os.close(inside)
