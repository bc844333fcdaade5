"""The start: signals before "listening", slow and hanging imports, a log that cannot be written."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fivefold.processes.backoff import YOUNG_DEATHS
from fivefold.serving import MODELS
from support.process_tree import is_gone
from support.servers.deployed import Deployed, deployed, until

GATED = """
import os

open("gate").read()

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""

HANGS = """
import os, time

def waits_for_its_database():
    os.write(2, b"imported\\n")
    time.sleep(600)

waits_for_its_database()
app = None
"""

HANGS_THE_SECOND_TIME = """
import os, time

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

def waits_for_its_database():
    time.sleep(600)

if os.path.exists("probed"):
    waits_for_its_database()
open("probed", "w").close()
"""


@contextmanager
def importing(folder: Path, *arguments: str) -> Iterator[tuple[Deployed, int]]:
    """A server whose application is just being imported, until the gate is closed."""
    (folder / "slow.py").write_text(GATED)
    os.mkfifo(folder / "gate")
    with deployed(folder, "slow:app", *arguments) as server:
        gate = os.open(folder / "gate", os.O_WRONLY)  # waits for a reader
        try:
            yield server, gate
        finally:
            (folder / "gate").unlink(missing_ok=True)
            (folder / "gate").touch()


@pytest.mark.parametrize("serving", MODELS)
def test_signals_during_the_import_do_not_end_the_server(serving: str, tmp_path: Path) -> None:
    with importing(tmp_path, "--serving", serving) as (server, gate):
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
            server.signal(number)
        (tmp_path / "gate").unlink()
        (tmp_path / "gate").touch()  # workers shall pass
        os.close(gate)
        server.answers()
        for number in (signal.SIGUSR1, signal.SIGHUP):
            server.signal(number)
        server.said("SIGUSR2 is ignored: this server does not serve now")
        server.answers()
        assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_during_the_import_is_a_clean_end(number: signal.Signals, tmp_path: Path) -> None:
    with importing(tmp_path, "--bind", f"unix:{tmp_path}/s") as (server, gate):
        below = server.workers()
        server.signal(number)
        assert server.process.wait(30) == 0
        os.close(gate)
        assert not (tmp_path / "s").exists()
        for pid in below:
            until(lambda: is_gone(pid), "the end of the import")  # noqa: B023
        assert server.log == ""


WAITS_THE_SECOND_TIME = """
import os

if os.path.exists("probed"):
    os.write(2, b"imports\\n")
    open("gate").read()
open("probed", "w").close()

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


@contextmanager
def starting_a_worker(folder: Path, serving: str) -> Iterator[Deployed]:
    """A server whose first worker just imports its application, until the gate opens."""
    (folder / "slow.py").write_text(WAITS_THE_SECOND_TIME)
    os.mkfifo(folder / "gate")
    with deployed(folder, "slow:app", "--serving", serving) as server:
        server.said("imports")
        yield server


@pytest.mark.parametrize("serving", MODELS)
def test_signals_while_a_worker_starts_do_not_end_the_server(serving: str, tmp_path: Path) -> None:
    with starting_a_worker(tmp_path, serving) as server:
        for number in (signal.SIGUSR2, signal.SIGUSR1, signal.SIGHUP):
            server.signal(number)
        server.said("SIGUSR2 is ignored")
        gate = os.open(tmp_path / "gate", os.O_WRONLY)
        (tmp_path / "gate").unlink()
        (tmp_path / "gate").touch()  # workers shall pass
        os.close(gate)
        server.answers()
        server.said("imports", times=2)  # replaced, as it was asked for
        assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("serving", MODELS)
def test_a_stop_while_a_worker_starts_is_a_clean_end(
    serving: str, number: signal.Signals, tmp_path: Path
) -> None:
    with starting_a_worker(tmp_path, serving) as server:
        below = server.descendants()
        server.signal(number)
        assert server.process.wait(30) == 0
        for pid in below:
            until(lambda: is_gone(pid), "the end of the import")  # noqa: B023
        imports, stopping = server.log.splitlines()
        assert imports == "imports"
        assert "stopping (" in stopping


def test_an_import_that_takes_too_long_is_ended_and_said_where(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(HANGS)
    with deployed(tmp_path, "slow:app", "--startup-s", "0.5") as server:
        assert server.process.wait(60) == 2
        assert "in waits_for_its_database" in server.log
        assert "takes longer than 0.5 s" in server.log


@pytest.mark.parametrize("serving", MODELS)
def test_a_worker_that_starts_too_slowly_is_killed_and_said_where(
    serving: str, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(HANGS_THE_SECOND_TIME)
    with deployed(tmp_path, "slow:app", "--startup-s", "1.5", "--serving", serving) as server:
        assert server.process.wait(60) == 1
        assert "in waits_for_its_database" in server.log
        assert "(--startup-s)" in server.log
        assert "opening slow:app" in server.log, "the log says what it was doing"


DIES_WITHOUT_A_WORD = """
import os

async def app(scope, receive, send):
    with open("tries", "a") as tries:
        tries.write("x")
    os._exit({status})
"""


@pytest.mark.parametrize(("io", "status"), [("epoll", 7), ("epoll", 0), ("blocking", 7)])
def test_connection_processes_that_never_become_ready_end_the_start(
    io: str, status: int, tmp_path: Path
) -> None:
    (tmp_path / "dies.py").write_text(DIES_WITHOUT_A_WORD.format(status=status))
    with deployed(tmp_path, "dies:app", "--serving", "process", "--io", io) as server:
        assert server.process.wait(60) == 1
        cause = f"no connection process becomes ready: it exited with {status} before it was ready"
        assert cause in server.log
        assert (tmp_path / "tries").stat().st_size >= YOUNG_DEATHS
        assert "listening on" not in server.log


NEVER_STARTS = """
import asyncio, os

async def app(scope, receive, send):
    with open("started", "a") as file:
        file.write(f"{os.getpid()}\\n")
    await asyncio.Event().wait()
"""


@pytest.mark.parametrize("serving", MODELS)
def test_nothing_is_left_of_a_start_up_that_never_ends(serving: str, tmp_path: Path) -> None:
    (tmp_path / "never.py").write_text(NEVER_STARTS)
    with deployed(tmp_path, "never:app", "--startup-s", "1.5", "--serving", serving) as server:
        assert server.process.wait(60) == 1
        started = [int(pid) for pid in (tmp_path / "started").read_text().split()]
        assert started
        until(lambda: all(map(is_gone, started)), "its processes are gone")


def is_listening(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return not client.connect_ex(path)


@pytest.mark.parametrize("standard_error", ["2>/dev/full", "2>&-", "2>/dev/full >/dev/full <&-"])
def test_a_log_that_cannot_be_written_does_not_end_the_start(
    standard_error: str, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("here")
    path = os.fspath(tmp_path / "socket")
    command = f'exec "$1" -m fivefold serve . --bind "unix:$2" {standard_error}'
    with subprocess.Popen(["/bin/sh", "-c", command, "", sys.executable, path], cwd=tmp_path) as it:
        until(lambda: is_listening(path), "a listening socket")
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(path)
            client.sendall(b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            with client.makefile("rb") as answer:
                assert answer.read().endswith(b"here")
        it.send_signal(signal.SIGUSR2)  # is logged; what it starts ends with it
        it.send_signal(signal.SIGTERM)
        assert it.wait(30) == 0


def test_workers_import_nothing_that_the_supervisor_has_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is replaced is there in the time of its application's import."""
    (tmp_path / "empty.py").write_text("async def app(scope, receive, send): ...")
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    arguments = ("empty:app", "--interface", "asgi", "--workers", "2", "--lifespan", "off")
    with deployed(tmp_path, *arguments) as server:
        server.said("2 workers")
        for module in ("fivefold.content.asgi.protocol_server", "websockets.server"):
            lines = re.findall(rf"\| +{re.escape(module)}$", server.log, re.MULTILINE)
            assert len(lines) == 1, "only the supervisor"
        assert server.stop() == 0
