"""Applications that take SIGTERM and SIGINT over: said in one line, and the server stops gently."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support.client import Client
from support.servers.deployed import Deployed, deployed, until

APPLICATION = """
import asyncio, os, signal, sys, threading, time

def note(what):
    with open("notes", "a") as file:
        file.write(f"{what}\\n")

def leave(number, frame):
    '''As scripts do, so that `finally` and atexit run.'''
    note("called")
    sys.exit(7)

def take(how):
    for number in (signal.SIGTERM, signal.SIGINT):
        if how == "leave":
            signal.signal(number, leave)
        elif how == "ignore":
            signal.signal(number, signal.SIG_IGN)
        elif how == "loop":
            asyncio.get_running_loop().add_signal_handler(number, note, "called")
        elif how == "loop that leaves":
            asyncio.get_running_loop().add_signal_handler(number, leave, number, None)

moment, how = os.environ["TAKES"].split(": ")
if moment == "import":
    take(how)

def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/take" and moment == "handler" and threading.current_thread() is MAIN:
        take(how)
    if path == "/slow":
        note("begun")
        while not os.path.exists("go on"):
            time.sleep(0.01)
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]

MAIN = threading.main_thread()

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if moment == "lifespan" and threading.current_thread() is MAIN:
            take(how)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        note("shut down")
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/take" and moment == "handler" and threading.current_thread() is MAIN:
        take(how)
    if scope["path"] == "/slow":
        note("begun")
        while not os.path.exists("go on"):
            await asyncio.sleep(0.01)
    headers = [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"fine"})
"""

WAYS = {
    "asgi": ("import: leave", "lifespan: loop", "handler: loop that leaves", "handler: ignore"),
    "wsgi": ("import: leave", "import: ignore", "handler: leave"),
}

CASES = [
    pytest.param(serving, interface, takes, id=f"{serving}-{interface}-{takes}")
    for serving in MODELS
    for interface, ways in WAYS.items()
    for takes in ways
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APPLICATION)
    return tmp_path


def ask(server: Deployed, path: str) -> bytes:
    with Client(server.address) as client:
        return client.get(path).body


def notes(folder: Path) -> list[str]:
    path = folder / "notes"
    return path.read_text().split("\n") if path.exists() else []


def can_take(serving: str, interface: str, moment: str) -> bool:
    """Only the main thread of a process may set handlers (Python's `signal`)."""
    in_pool = serving == "async" and interface == "wsgi"
    return moment == "import" or not (MODELS[serving].traits.many_threads or in_pool)


@pytest.mark.parametrize(("serving", "interface", "takes"), CASES)
def test_the_server_stops_gently_all_the_same(
    serving: str, interface: str, takes: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment, how = takes.split(": ")
    monkeypatch.setenv("TAKES", takes)
    with deployed(folder, f"shop:{interface}", "--serving", serving) as server:
        client = Client(server.address)  # one, so that one process has both requests
        assert client.get("/take").body == b"fine"
        got: list[bytes] = []
        slow = threading.Thread(target=lambda: got.append(client.get("/slow").body))
        slow.start()
        until(lambda: "begun" in notes(folder), "a request under way")
        server.signal(signal.SIGTERM)
        taken = can_take(serving, interface, moment)
        if taken:
            server.said("the application has set a handler of its own for SIGTERM (")
            if how != "ignore":
                until(lambda: "called" in notes(folder), "a call of the application's handler")
        (folder / "go on").touch()
        slow.join(30)
        client.sock.close()
        assert got == [b"fine"], server.log
        assert server.process.wait(30) == 0, server.log
        assert "is killed" not in server.log
        assert ("a handler of its own for SIGTERM" in server.log) == taken
        if interface == "asgi":
            assert "shut down" in notes(folder)


@pytest.mark.parametrize("serving", MODELS)
def test_it_is_said_once_and_at_the_start(
    serving: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAKES", "import: leave")
    with deployed(folder, "shop:wsgi", "--serving", serving) as server:
        for name in ("SIGTERM", "SIGINT"):
            server.said(f"the application has set a handler of its own for {name} (shop.leave)")
        ask(server, "/")
        # As a terminal and systemd do, to all of them.
        for number in (signal.SIGINT, signal.SIGTERM):
            for pid in [*server.descendants(), server.process.pid]:
                os.kill(pid, number)
        assert server.process.wait(30) == 0, server.log
        assert server.log.count("a handler of its own for SIGTERM") == 1
        assert "is killed" not in server.log
        assert "called" in notes(folder)


BLOCKS_ALL = """
import os, signal

def block():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

if os.environ["BLOCKS"] == "import":
    block()

def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        block()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"fine"})
"""


@pytest.mark.parametrize("moment", ["import", "lifespan"])
@pytest.mark.parametrize("serving", MODELS)
def test_an_application_that_blocks_all_signals_is_stopped_gently(
    serving: str, moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOCKS", moment)
    (tmp_path / "blocks.py").write_text(BLOCKS_ALL)
    target = "blocks:wsgi" if moment == "import" else "blocks:asgi"
    with deployed(tmp_path, target, "--serving", serving) as server:
        server.answers()
        assert server.stop() == 0
        assert "killed" not in server.log
