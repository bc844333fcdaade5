"""A server that is started with closed standard descriptors, as some supervisors do it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.every_pair import pairs
from support.servers.deployed import until

LOGS_THERE = """
import os, sys

def app(environ, start_response):
    for number in (1, 2):
        os.write(number, b"what a C library says")
    start_response("200 OK", [("Content-Length", "4")])
    return [repr([os.path.exists(f"/proc/self/fd/{n}") for n in range(3)]).encode()[:4]]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(LOGS_THERE)
    return tmp_path


def command(*arguments: str) -> list[str]:
    serve = [sys.executable, "-m", "fivefold", "serve", "--bind", "unix:s", *arguments]
    return ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *serve]


@pairs()
def test_no_client_gets_what_is_written_there(folder: Path, pair: dict[str, str]) -> None:
    arguments = ("shop:app", "--serving", pair["serving"], "--io", pair["io"])
    with subprocess.Popen(command(*arguments), cwd=folder) as server:
        try:
            sock = connected(folder / "s")
            with sock:
                for _ in range(3):
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
                    answer = sock.recv(65536)
                    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
                    assert answer.endswith(b"\r\n\r\n[Tru")
            server.terminate()
            assert server.wait(60) == 0
        finally:
            server.kill()


def connected(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    until(lambda: sock.connect_ex(os.fspath(path)) == 0, "a server at the socket")
    return sock


def test_an_access_log_there_is_an_error_at_the_start(folder: Path) -> None:
    done = subprocess.run(
        [
            *("sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "fivefold", "serve", "."),
            *("--access-log", "-", "--bind", "unix:s"),
        ],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (
        2,
        "fivefold: access_log: standard output is closed; name a file (option --access-log)\n",
    )
