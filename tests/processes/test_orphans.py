"""The supervisor is killed: its workers end, even those that hear no signal."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support.client import Client
from support.every_pair import pairs
from support.process_tree import is_gone
from support.servers.deployed import CRASHES, deployed, port_is_free, until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "crashes.py").write_text(CRASHES)
    return tmp_path


@pytest.mark.parametrize(
    ("serving", "target"),
    [("async", "crashes:asgi"), ("thread", "crashes:app"), ("process", "crashes:app")],
)
def test_an_orphan_that_hangs_does_not_keep_the_port(
    serving: str, target: str, folder: Path
) -> None:
    """C code holds the GIL, so no handler of Python's runs."""
    with deployed(folder, target, "--serving", serving, "--grace-s", "0.5") as server:
        address = server.address
        with Client(address) as client:
            client.send(b"GET /regex HTTP/1.1\r\nHost: t\r\n\r\n")
            server.said("holds the GIL")
            below = server.descendants()
            server.process.kill()
            server.process.wait()
            for pid in below:
                until(lambda: is_gone(pid), f"the end of {pid}")  # noqa: B023
        until(lambda: port_is_free(address), "a free port")


@pytest.mark.parametrize("serving", MODELS)
def test_a_server_that_is_stopped_ends_with_its_supervisor(serving: str, folder: Path) -> None:
    """SIGSTOP holds back every signal but SIGKILL, also that of the supervisor's death."""
    with deployed(folder, "crashes:app", "--serving", serving, "--grace-s", "0.5") as server:
        address = server.address
        server.answers()
        below = server.descendants()
        for pid in below:
            os.kill(pid, signal.SIGSTOP)
        server.process.kill()
        server.process.wait()
        for pid in below:
            until(lambda: is_gone(pid), f"the end of {pid}")  # noqa: B023
        until(lambda: port_is_free(address), "a free port")


@pytest.mark.parametrize("serving", MODELS)
def test_a_stopped_worker_that_hangs_takes_its_connection_processes_along(
    serving: str, folder: Path
) -> None:
    with deployed(folder, "crashes:app", "--serving", serving, "--grace-s", "0.5") as server:
        address = server.address
        with Client(address) as client:
            client.send(b"GET /regex HTTP/1.1\r\nHost: t\r\n\r\n")
            server.said("holds the GIL")
            below = server.descendants()
            for pid in below:
                os.kill(pid, signal.SIGSTOP)
            server.process.kill()
            server.process.wait()
            for pid in below:
                until(lambda: is_gone(pid), f"the end of {pid}")  # noqa: B023
        until(lambda: port_is_free(address), "a free port")


@pytest.mark.parametrize("serving", MODELS)
def test_the_guard_ends_with_its_server(serving: str, folder: Path) -> None:
    with deployed(folder, "crashes:app", "--serving", serving) as server:
        server.answers()
        (guard,) = guards_of(folder)
        assert guard not in server.descendants(), "no child of the supervisor, which has workers"
        assert server.stop() == 0
        until(lambda: is_gone(guard), "the end of the guard")


def guards_of(folder: Path) -> list[int]:
    """By their working folder, which no other test has."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "comm").read_text() == "fivefold-guard\n" and (
                (entry / "cwd").readlink() == folder
            ):
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.mark.parametrize("serving", MODELS)
def test_a_guard_that_is_killed_has_a_successor_that_knows_the_workers(
    serving: str, folder: Path
) -> None:
    with deployed(folder, "crashes:app", "--serving", serving, "--grace-s", "0.5") as server:
        address = server.address
        with Client(address) as client:
            client.send(b"GET /mutex HTTP/1.1\r\nHost: t\r\n\r\n")
            server.said("holds the GIL")
            (guard,) = guards_of(folder)
            os.kill(guard, signal.SIGKILL)
            server.said("the guard has died, and is started again")
            until(lambda: guards_of(folder) not in ([guard], []), "another one")
            below = server.descendants()
            server.process.kill()
            server.process.wait()
            for pid in below:
                until(lambda: is_gone(pid), f"the end of {pid}")  # noqa: B023
        until(lambda: port_is_free(address), "a free port")


STREAM = """
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await asyncio.sleep(0.01)
"""


@pytest.mark.parametrize("drains", [False, True], ids=["at-once", "while-it-drains"])
@pytest.mark.parametrize("serving", MODELS)
def test_an_orphan_has_less_time_than_the_grace_time(
    serving: str, folder: Path, *, drains: bool
) -> None:
    (folder / "stream.py").write_text(STREAM)
    arguments = ("stream:app", "--serving", serving, "--grace-s", "600")
    with deployed(folder, *arguments) as server, Client(server.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
        assert client.sock.recv(1)
        below = server.descendants()
        if drains:
            server.signal(signal.SIGTERM)
            server.said("waiting for 1 connection")
        server.process.kill()
        server.process.wait()
        for pid in below:
            until(lambda: is_gone(pid), f"the end of {pid}")  # noqa: B023
        assert "cut, since the supervisor was killed" in server.log


@pairs()
def test_workers_finish_what_they_have_when_the_supervisor_is_killed(
    pair: dict[str, str], folder: Path
) -> None:
    with deployed(
        folder, "crashes:app", "--serving", pair["serving"], "--io", pair["io"]
    ) as server:
        server.answers()
        with Client(server.address) as client:
            client.send(b"GET / HTTP/1.1\r\n")
            below = server.descendants()
            os.kill(server.process.pid, signal.SIGKILL)
            client.send(b"Host: t\r\n\r\n")
            assert client.answer().status == 200
        for pid in below:
            until(lambda: is_gone(pid), f"the end of {pid}")  # noqa: B023
