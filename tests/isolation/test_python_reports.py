"""What Python says past `logging` is in the log, too: warnings, threads that fail, what cannot be
raised, and the stacks of what is killed; each an entry with time, level and process."""

from __future__ import annotations

import json
import sys
import threading
import warnings
from contextlib import ExitStack
from pathlib import Path

import pytest

from fivefold.cli.speaking import speak_as, speaking
from fivefold.isolation.python_reports import own_hooks, warned
from fivefold.server.settings import Settings
from fivefold.serving import MODELS
from support.client import Client
from support.servers.deployed import deployed

SAYS = """
import re, threading, warnings

class Fails:
    def __del__(self):
        raise ValueError("of a destructor")
    def __repr__(self):
        raise ValueError("has no name")

def fails():
    raise OSError("of a thread")

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/warns":
        warnings.warn("it is old\\nand long", UserWarning)
    if path == "/thread":
        thread = threading.Thread(target=fails, name="mine")
        thread.start()
        thread.join()
    if path == "/destructor":
        Fails()
    if path == "/regex":
        holds_the_gil()
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

def holds_the_gil():
    re.match(r"(a+)+$", "a" * 60 + "b")
"""


@pytest.mark.parametrize("serving", MODELS)
def test_every_line_is_an_entry_of_the_log(serving: str, tmp_path: Path) -> None:
    (tmp_path / "says.py").write_text(SAYS)
    arguments = "--serving", serving, "--log-format", "json", "--stuck-s", "1"
    with deployed(tmp_path, "says:app", *arguments) as server:
        for path in ("/warns", "/thread", "/destructor"):
            with Client(server.address) as client:
                assert client.get(path).status == 200
        at_once = 2 if serving == "process" else 1
        with ExitStack() as stack:
            clients = [stack.enter_context(Client(server.address)) for _ in range(at_once)]
            for client in clients:
                client.send(b"GET /regex HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            assert all(client.at_end() for client in clients)
        server.said(" is here:", times=at_once)
        server.answers()  # a stop while one is killed is no clean one
        assert server.stop() == 0
    entries = [json.loads(line) for line in server.log.splitlines()]
    said = [entry for entry in entries if entry["logger"] == "fivefold.python"]
    assert [entry["level"] for entry in said] == ["WARNING", "ERROR", "ERROR"]
    old, thread, destructor = said
    assert "says.py:16: UserWarning: it is old\nand long" in old["message"]
    assert thread["message"] == "exception in thread mine"
    assert thread["traceback"].endswith("OSError: of a thread")
    assert destructor["traceback"].endswith("ValueError: of a destructor")
    stacks = [entry["message"] for entry in entries if " is here:\n" in entry["message"]]
    killed = {entry["message"].split(" is killed: ")[0].split()[-1] for entry in entries[:-1]}
    for stack in stacks:
        assert stack.split()[1] in killed
        assert stack.count("Current thread") == 1  # no other process writes into it
        assert "in holds_the_gil" in stack


def test_an_application_that_has_hooks_of_its_own_keeps_them(tmp_path: Path) -> None:
    own = "import logging\nlogging.captureWarnings(True)\nthreading.excepthook = print\n"
    (tmp_path / "says.py").write_text(SAYS + own)
    with deployed(tmp_path, "says:app") as server, Client(server.address) as client:
        assert client.get("/warns").status == client.get("/thread").status == 200
        server.said("exc_type=<class 'OSError'>")
        assert server.stop() == 0
    assert "fivefold.python" not in server.log


def test_a_level_is_that_of_the_log(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warnings, "showwarning", None)
    with speaking():
        speak_as(Settings.of({"target": ".", "log_level": "error"}))
        warnings.showwarning("unheard", UserWarning, "x.py", 1)
        speak_as(Settings.of({"target": "."}))
        warnings.showwarning("heard", UserWarning, "x.py", 1)
    said = capfd.readouterr().err
    assert "fivefold.python: x.py:1: UserWarning: heard" in said
    assert "unheard" not in said


def test_the_hooks_are_given_back() -> None:
    before = warnings.showwarning, threading.excepthook, sys.unraisablehook
    with own_hooks():
        warnings.showwarning = warned
        threading.excepthook = sys.unraisablehook = print
    assert (warnings.showwarning, threading.excepthook, sys.unraisablehook) == before
