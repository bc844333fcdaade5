"""`fivefold top`: what is shown of a snapshot, of a real server, and in a real terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

from fivefold import Server, Settings
from fivefold.cli.top import overview
from support.client import Client
from support.command_line import fivefold

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
    asked = {"request": request, "request_s": request_s}
    return {"peer": "10.0.0.1:4711", "age_s": 9.0, "state": state} | asked


def process(threads: int, *connections: dict[str, Any], raw: str | None = None) -> dict[str, Any]:
    every = [THREAD] * threads
    return {"pid": 10, "threads": every, "connections": list(connections), "raw": raw}


def test_the_slowest_request_is_first_and_idle_connections_are_last() -> None:
    idle = connection(None, None, "idle")
    fast = connection("GET /fast HTTP/1.1", 0.1, "copying out")
    slow = connection("GET /slow HTTP/1.1", 8.0, "in the application")
    lines = overview(10, [process(1, idle, fast, slow)])
    assert lines[0] == "fivefold 10: 1 processes, 1 threads, 3 connections"
    assert [line.split()[0] for line in lines[3:6]] == ["8.00", "0.10", "9.00"]
    assert "in the application" in lines[3]
    assert lines[3].endswith("10.0.0.1:4711          GET /slow HTTP/1.1")
    assert lines[-1].endswith("worker            sleeps in epoll_wait on 5 epoll for 1.50 s")


def test_a_client_does_not_control_the_terminal() -> None:
    evil = connection("GET /\x1b]0;x\x07\x9b2J\r\n\x7f\u202e HTTP/1.1", 1.0, "in the application")
    text = "".join(overview(10, [process(1, evil)]))
    assert all(" " <= char <= "~" for char in text)
    assert r"GET /\x1b]0;x\x07\x9b2J\r\n\x7f\u202e HTTP/1.1" in text


def test_what_does_not_fit_is_counted() -> None:
    many = [connection(None, None, "idle")] * 50
    for rows in range(5, 120):
        lines = overview(10, [process(50, *many)], rows)
        assert len(lines) == min(rows, 105)
    assert sum("and 46 more" in line for line in overview(10, [process(50, *many)], 15)) == 2


def test_a_process_without_an_answer_is_named() -> None:
    assert overview(10, [process(1, raw="x")])[0].endswith("connections unknown: 10")


def serving(folder: Path) -> Server:
    (folder / "index.html").write_text("hello")
    return Server(Settings(target=str(folder), bind=("127.0.0.1:0",), serving="thread", io="epoll"))


def test_once_shows_a_real_server_and_says_when_there_is_none(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        host, _, port = server.addresses[0].removeprefix("http://").rpartition(":")
        with Client((host, int(port))) as client:
            assert client.get("/").body == b"hello"
            shown = fivefold("top", str(server.pid))  # its output is no terminal
            assert shown.returncode == 0
            assert "idle                            {}:{}".format(*client.sock.getsockname()) in (
                shown.stdout
            )
            assert "fivefold-trace" in shown.stdout
            assert "\x1b" not in shown.stdout
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
    with serving(tmp_path) as server:
        command = [sys.executable, "-m", "fivefold", "top", str(server.pid), "--interval-s", "60"]
        environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        with subprocess.Popen(
            command, stdin=inside, stdout=inside, stderr=inside, env=environment
        ) as running:
            try:
                first = read_until(terminal, b"\x1b[J")
                assert b"\x1b[?1049h" in first
                assert b"DOES" in first
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
