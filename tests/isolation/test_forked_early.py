"""What an application forks before its first request: at its import, and at its start."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support.client import Client
from support.servers.deployed import deployed, port_is_free, until


@pytest.fixture
def outliving() -> Iterator[list[int]]:
    """Processes that shall not outlive the test."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


EARLY = """
import os, time

def outlive(path):
    pid = os.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    with open(path, "a") as file:
        file.write(f"{pid} ")

outlive("imported")

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        outlive("started")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})
"""


HOW = [*(("--serving", name) for name in MODELS), ("--reload",)]
"""Under --reload a worker imports the application before it knows what serves it."""


@pytest.mark.parametrize("how", HOW, ids=" ".join)
def test_what_is_forked_before_the_first_request_keeps_no_port(
    tmp_path: Path, how: tuple[str, ...], outliving: list[int]
) -> None:
    (tmp_path / "early.py").write_text(EARLY)
    with deployed(tmp_path, "early:app", *how) as server:
        address = server.address
        until((tmp_path / "started").exists, "the start of the application")
        assert server.stop() == 0
    for name in ("imported", "started"):
        outliving += map(int, (tmp_path / name).read_text().split())
    assert port_is_free(address)


FORKED_EARLY = """
import os

def fork():
    if os.fork() == 0:
        open(f"copy-{os.getpid()}", "w").close()
        return
    pid = os.fork()
    if pid == 0:
        raise SystemExit(5)
    with open("left", "a") as file:
        file.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])} ")

def at_import():
    fork()
    return wsgi

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]

async def at_start(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        fork()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"fine"})
"""


@pytest.mark.parametrize("application", ["early:at_import()", "early:at_start"])
@pytest.mark.parametrize("how", HOW, ids=" ".join)
def test_what_is_forked_early_and_returns_into_the_server_ends(
    how: tuple[str, ...], application: str, tmp_path: Path
) -> None:
    """A library that makes itself a daemon, or forgets to end its child; one that ends it by
    `sys.exit`, as is usual."""
    (tmp_path / "early.py").write_text(FORKED_EARLY)
    with deployed(tmp_path, application, *how) as server:
        with Client(server.address) as client:
            assert client.get("/").body == b"fine"
        until(
            lambda: any(tmp_path.glob("copy-*")), "a copy, whose parent may answer before it runs"
        )
        assert set((tmp_path / "left").read_text().split()) == {"5"}
        copies = [int(file.name.partition("-")[2]) for file in tmp_path.glob("copy-*")]
        files = [Path(f"/proc/{copy}/fd/0") for copy in copies]
        until(lambda: not any(file.exists() for file in files), "the end of the copies")
        assert "returned into the server; it ends" in server.log
        assert "Traceback" not in server.log
        assert server.stop() == 0
