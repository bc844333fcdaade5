"""`--status`: /health/live and /health/ready, whatever state the workers are in."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from pathlib import Path

import pytest

from fivefold.errors import SettingsError
from fivefold.server.settings import Settings
from fivefold.server.texts import status_address
from fivefold.serving import MODELS
from support.client import Client
from support.held_back import until_stopped
from support.process_tree import (
    STATUS,
    children_of,
    is_alive,
    name_of,
    open_files,
    workers_of,
)
from support.servers.deployed import deployed, until
from support.status_client import Status

every_model = pytest.mark.parametrize("serving", MODELS)

GATED = """
import pathlib, time

def wait_for(name):
    while not pathlib.Path(name).exists():
        time.sleep(0.01)

if pathlib.Path("probed").exists():  # this is a worker, no more the probe
    wait_for("imported")
pathlib.Path("probed").touch()

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        pathlib.Path("begun").touch()
        wait_for("done")
    start_response("200 OK", [])
    return [b"ok"]
"""


@pytest.fixture
def status(tmp_path: Path) -> Status:
    return Status(tmp_path)


@every_model
def test_ready_from_the_first_worker_until_the_server_drains(
    tmp_path: Path, status: Status, serving: str
) -> None:
    (tmp_path / "gated.py").write_text(GATED)
    with deployed(tmp_path, "gated:app", "--serving", serving, *status.arguments) as server:
        until(lambda: status.ask("/health/live")[0] == 200, "live")
        until((tmp_path / "probed").exists, "the probe")
        assert status.ask("/health/ready") == (503, "not ready: no worker accepts connections\n")

        (tmp_path / "imported").touch()
        until(status.is_ready, "ready")
        assert status.ask("/health/ready") == (200, "ready: 1 of 1 workers\n")
        assert server.get("/") == b"ok"

        with Client(server.address) as client:
            client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            until((tmp_path / "begun").exists, "the request")
            server.signal(signal.SIGTERM)
            until(lambda: server.get("/") is None, "a refusal")
            assert status.ask("/health/ready") == (503, "draining\n")
            assert status.ask("/health/live")[0] == 200
            (tmp_path / "done").touch()
            assert client.answer().body == b"ok"
        assert server.process.wait(60) == 0
    assert status.ask("/health/live")[0] == 0


def test_ready_while_one_of_two_servers_starts_and_while_the_other_drains(
    tmp_path: Path, status: Status
) -> None:
    """They answer at one address, by chance; here one at a time is stopped."""
    (tmp_path / "gated.py").write_text(GATED)
    (tmp_path / "imported").touch()
    accompanied = (200, "ready: another server serves here\n")
    with (
        deployed(tmp_path, "gated:app", *status.arguments) as server,
        Client(server.address) as client,
    ):
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        until((tmp_path / "begun").exists, "the request")
        [old_status] = status_processes(server.process.pid)
        (tmp_path / "imported").unlink()
        (tmp_path / "probed").unlink()
        server.signal(signal.SIGUSR2)
        server.said("to replace this one")
        new = int(re.findall(r"supervisor (\d+) starts", server.log)[0])
        try:
            until(lambda: status_processes(new), "the status process of the new one")
            [new_status] = status_processes(new)
            os.kill(old_status, signal.SIGSTOP)
            until_stopped([old_status])
            assert status.ask("/health/ready") == accompanied
            os.kill(old_status, signal.SIGCONT)
            (tmp_path / "imported").touch()
            server.said("serves as well")
            os.kill(new_status, signal.SIGSTOP)
            until_stopped([new_status])
            server.signal(signal.SIGTERM)
            server.said("waiting for")
            assert status.ask("/health/ready") == accompanied
            (tmp_path / "done").touch()
            assert client.answer().body == b"ok"
            assert server.process.wait(60) == 0
            os.kill(new_status, signal.SIGCONT)
            assert status.ask("/health/ready") == (200, "ready: 1 of 1 workers\n")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(new, signal.SIGTERM)
        until(lambda: not is_alive(new), "its end")


def status_processes(supervisor: int) -> list[int]:
    return [pid for pid in children_of(supervisor) if name_of(pid) == STATUS]


def test_stopped_worker_keeps_nothing_from_answering(tmp_path: Path, status: Status) -> None:
    (tmp_path / "a").write_text("a")
    with deployed(tmp_path, ".", *status.arguments) as server:
        until(status.is_ready, "ready")
        [worker] = workers_of(server.process.pid)
        os.kill(worker, signal.SIGSTOP)
        assert status.ask("/health/live") == (200, "live\n")
        os.kill(worker, signal.SIGKILL)
        until(lambda: server.get("/a") == b"a", "the next worker")
        until(status.is_ready, "ready again")
        assert server.stop() == 0


def test_workers_do_not_listen_there(tmp_path: Path, status: Status) -> None:
    """Else a client of the status might wait in vain for a worker to accept it. The supervisor
    keeps the socket for a server that replaces it."""
    with deployed(tmp_path, ".", *status.arguments) as server:
        until(status.is_ready, "ready")
        ends = Path("/proc/net/unix").read_text().splitlines()
        name = status.arguments[1].removeprefix("unix:")
        [inode] = [line.split()[6] for line in ends if line.endswith(name) and " 01 " in line]
        children = children_of(server.process.pid)
        holders = [name_of(pid) for pid in children if f"socket:[{inode}]" in open_files(pid)]
        assert holders == [STATUS]
        assert server.stop() == 0


def test_unknown_paths_and_methods(tmp_path: Path, status: Status) -> None:
    with deployed(tmp_path, ".", *status.arguments):
        until(status.is_ready, "ready")
        code, text = status.ask("/nothing")
        assert code == 404
        assert "/health/ready" in text


def test_address_is_the_loopbacks_unless_another_is_named() -> None:
    assert status_address(":9100").host == "127.0.0.1"
    assert status_address("9100").host == "127.0.0.1"
    assert status_address("0.0.0.0:9100").host == "0.0.0.0"
    assert Settings().status is None
    with pytest.raises(SettingsError, match=r"^status: 'nowhere'"):
        Settings(status="nowhere")
