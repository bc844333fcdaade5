"""What held when it was reported, and must go on to: children and their statuses, slow handlers,
the background tasks of clients that leave."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from fivefold.serving import MODELS
from support.client import Client
from support.process_tree import is_gone
from support.servers.deployed import Deployed, deployed, until
from support.wire import Wire

APPLICATION = """
import asyncio, json, os, signal, socket, subprocess, sys, threading, time

class Stream:
    # In the place of standard output, and nothing like it.
    def write(self, text):
        raise RuntimeError(text)
    def flush(self, must):
        raise AssertionError

class Furious(Stream):
    def flush(self):
        raise KeyboardInterrupt

class OnlyTcpAndUdp(socket.socket):
    # As PySocks has it.
    def __init__(self, family=socket.AF_INET, type=socket.SOCK_STREAM, proto=0, *rest, **named):
        if type not in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            raise ValueError("Socket type must be stream or datagram")
        super().__init__(family, type, proto, *rest, **named)

if replaces := os.environ.get("REPLACES"):
    if replaces == "OnlyTcpAndUdp":
        socket.socket = OnlyTcpAndUdp
    else:
        sys.stdout = globals()[replaces]()

how = os.environ.get("TAKES_CHILDREN")
if "DEFAULT_TIMEOUT" in os.environ:
    import socket
    socket.setdefaulttimeout(float(os.environ["DEFAULT_TIMEOUT"]))

def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass

def reap_for_ever():
    while True:
        reap()
        time.sleep(0.01)

if how == "ignored":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
elif how == "reaped by a handler":
    signal.signal(signal.SIGCHLD, reap)
elif how == "reaped by a thread":
    threading.Thread(target=reap_for_ever, daemon=True).start()

FAILS = [sys.executable, "-c", "raise SystemExit(7)"]

def statuses():
    return [
        subprocess.run(FAILS, check=False).returncode,
        os.waitstatus_to_exitcode(os.system("exit 6")),
        subprocess.run(["kill", "-TERM", "0"], start_new_session=True, check=False).returncode,
    ]

async def of_asyncio():
    process = await asyncio.create_subprocess_exec(*FAILS)
    return [await process.wait()]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    path = scope["path"]
    said = os.getpid()
    if path == "/statuses":
        said = statuses() + await of_asyncio()
    if path == "/slow":
        await asyncio.sleep(float(scope["query_string"]))
    body = json.dumps(said).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    if path == "/background":
        await asyncio.sleep(0.5)
        with open("done", "w") as file:
            file.write("done")

def wsgi(environ, start_response):
    said = os.getpid()
    if environ["PATH_INFO"] == "/statuses":
        said = statuses()
    if environ["PATH_INFO"] == "/slow":
        time.sleep(float(environ["QUERY_STRING"]))
    body = json.dumps(said).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

LIMIT_S = "0.2"
"""Of each thing that a client may be slow at; a handler may be slower."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APPLICATION)
    return tmp_path


@pytest.fixture(params=["asgi", "wsgi"])
def interface(request: pytest.FixtureRequest) -> str:
    return request.param  # type: ignore[no-any-return]


def ask(server: Deployed, path: str) -> Any:
    with Client(server.address) as client:
        answer = client.get(path)
        assert answer.status == 200
        return json.loads(answer.body)


@pytest.mark.parametrize("how", ["ignored", "reaped by a handler", "reaped by a thread"])
@pytest.mark.parametrize("serving", MODELS)
def test_an_application_may_reap_all_children(
    serving: str, how: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under `process` those of ours are among them."""
    monkeypatch.setenv("TAKES_CHILDREN", how)
    with deployed(folder, "shop:wsgi", "--serving", serving) as server:
        for _ in range(3):
            victim = ask(server, "/")
            os.kill(victim, signal.SIGKILL)
            until(lambda: is_gone(victim), "the death of who answered")  # noqa: B023
            server.answers()
        assert server.stop() == 0


@pytest.mark.parametrize("serving", MODELS)
def test_programs_end_with_their_own_status(serving: str, interface: str, folder: Path) -> None:
    with deployed(folder, f"shop:{interface}", "--serving", serving) as server:
        expected = [7, 6, -signal.SIGTERM, *([7] if interface == "asgi" else [])]
        assert ask(server, "/statuses") == expected
        assert server.stop() == 0


@pytest.mark.parametrize("serving", MODELS)
def test_a_handler_may_be_slower_than_any_client(
    serving: str, interface: str, folder: Path
) -> None:
    limits = [f"--{name}-s={LIMIT_S}" for name in ("send", "keep-alive", "first-byte")]
    with deployed(folder, f"shop:{interface}", "--serving", serving, *limits) as server:
        with Client(server.address) as client:
            for _ in range(2):
                assert client.get("/slow?0.7").status == 200
        assert server.stop() == 0


@pytest.mark.parametrize("seconds", ["0", "0.05"])
@pytest.mark.parametrize("serving", MODELS)
def test_the_default_timeout_of_sockets_is_the_applications(
    serving: str, seconds: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFAULT_TIMEOUT", seconds)
    with deployed(folder, "shop:wsgi", "--serving", serving) as server:
        for _ in range(3):
            with Client(server.address) as client:
                for _ in range(2):
                    assert client.get("/slow?0.1").status == 200
        assert "Traceback" not in server.log
        assert "exited" not in server.log
        assert server.stop() == 0


@pytest.mark.parametrize("what", ["Stream", "Furious", "OnlyTcpAndUdp"])
@pytest.mark.parametrize("serving", MODELS)
def test_what_belongs_to_python_may_be_replaced(
    serving: str, what: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library's `sys.stdout` or `socket.socket`, from its import on."""
    monkeypatch.setenv("REPLACES", what)
    with deployed(folder, "shop:wsgi", "--serving", serving) as server:
        for _ in range(6):  # more than there are spare processes
            server.answers()
        assert "Traceback" not in server.log
        assert server.stop() == 0


LATE = """
import ctypes, os, sys, threading, time

class Late(BaseException):
    pass

def set_too_late(ident):
    while sys._current_frames()[ident].f_code.co_name != "get_within":
        time.sleep(0.001)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(Late))
    open("set", "w").close()

def app(environ, start_response):
    if environ["PATH_INFO"] == "/late":
        threading.Thread(target=set_too_late, args=(threading.get_ident(),)).start()
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]
"""


@pytest.mark.parametrize(
    "serving", [name for name, model in MODELS.items() if model.traits.scales_by_workers]
)
def test_an_exception_that_comes_too_late_is_nobodys(serving: str, tmp_path: Path) -> None:
    """It meets a thread that waits for its next work, and takes neither that nor the thread."""
    (tmp_path / "late.py").write_text(LATE)
    with deployed(tmp_path, "late:app", "--serving", serving) as server:
        with Client(server.address) as client:
            assert client.get("/late").body == b"fine"
        until((tmp_path / "set").exists, "the exception")
        for _ in range(8):  # more than there are idle threads
            assert server.get("/") == b"fine"
        server.said("an exception that was set in this thread came too late")
        assert server.stop() == 0


@pytest.mark.parametrize("serving", MODELS)
def test_a_background_task_outlives_its_client(serving: str, folder: Path) -> None:
    with deployed(folder, "shop:asgi", "--serving", serving) as server:
        with Wire(server.address) as wire:
            assert wire.ask("/background").status == 200
            wire.leave()
        until((folder / "done").exists, "the end of the background task")
        assert server.stop() == 0
