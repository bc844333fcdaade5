"""What an application has begun when its process ends is finished, as by an interpreter."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from fivefold.testing import running
from support.client import Client
from support.servers.deployed import Deployed, deployed

APPLICATION = """
import atexit, logging.handlers, os, threading, time, weakref
from concurrent.futures import ThreadPoolExecutor

def note(what):
    with open("notes", "a") as file:
        file.write(f"{what}\\n")

class Thing: pass
thing = Thing()
weakref.finalize(thing, note, "finalizer")
atexit.register(note, "atexit")
pool = ThreadPoolExecutor(1)
journal = open("journal", "w")
memory = logging.handlers.MemoryHandler(100, target=logging.FileHandler("memory.log"))
logging.getLogger("shop").addHandler(memory)
enough = threading.Event()

def later(what):
    enough.wait(30)
    note(what)

def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/begin":
        pool.submit(later, "job")
        threading.Thread(target=later, args=("thread",)).start()
        atexit.register(note, "late atexit")
        threading.Timer(0.2, enough.set).start()
        journal.write("in a buffer")
        print("printed")
        logging.getLogger("shop").warning("remembered")
    if path == "/hang":
        threading.Thread(target=time.sleep, args=(600,), name="poller").start()
        atexit.register(time.sleep, 600)
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    body = app({"PATH_INFO": scope["path"]}, lambda *_: None)
    headers = [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body[0]})
"""

SENTRY = """
import sentry_sdk

def transport(event):
    # As a line of a file: sentry's own would be a thread that sends it to its makers' server.
    with open("events", "a") as file:
        file.write(event["message"] + "\\n")

class Slow(sentry_sdk.transport.Transport):
    def __init__(self, options=None):
        super().__init__(options)
        self.kept = []
    def capture_envelope(self, envelope):
        self.kept.append(envelope.get_event())
    def flush(self, timeout, callback=None):
        kept, self.kept = self.kept, []
        for event in kept:
            transport(event)
    def kill(self):
        self.flush(1)

# The integrations that enable themselves import every framework that the tests have installed.
sentry_sdk.init("http://key@127.0.0.1:9/1", transport=Slow, auto_enabling_integrations=False)

def app(environ, start_response):
    sentry_sdk.capture_message("of the shop")
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    (tmp_path / "shop.py").write_text(APPLICATION)
    (tmp_path / "watched.py").write_text(SENTRY)
    return tmp_path


def ask(server: Deployed, path: str) -> None:
    with Client(server.address) as client:
        assert client.get(path).body == b"fine"


@pytest.mark.parametrize("application", ["shop:app", "shop:asgi"])
@pytest.mark.parametrize("serving", MODELS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_was_begun_is_finished(
    folder: Path, application: str, serving: str, number: signal.Signals
) -> None:
    with deployed(folder, application, "--serving", serving) as server:
        ask(server, "/begin")
        server.signal(number)
        if number is signal.SIGHUP:
            ask(server, "/")
        assert server.stop() == 0
        notes = (folder / "notes").read_text().split("\n")
        assert {"job", "thread", "atexit", "late atexit"} <= set(notes)
        assert (folder / "memory.log").read_text() == "remembered\n"
        assert server.log.count("printed") == 1
        if number is signal.SIGTERM:  # else the new worker has opened it anew
            assert (folder / "journal").read_text() == "in a buffer"
            # What the forker has made is removed once, by the forker.
            assert notes.count("finalizer") == 1


@pytest.mark.parametrize("serving", MODELS)
def test_what_never_ends_is_cut_off_in_time(folder: Path, serving: str) -> None:
    with deployed(folder, "shop:app", "--serving", serving, "--grace-s", "1") as server:
        ask(server, "/hang")
        assert server.stop() == 0
        if MODELS[serving].traits.many_threads:
            assert "poller" in server.log


@pytest.mark.parametrize("serving", MODELS)
def test_sentry_sends_its_last_events(folder: Path, serving: str) -> None:
    with deployed(folder, "watched:app", "--serving", serving) as server:
        for _ in range(3):
            ask(server, "/")
        assert not (folder / "events").exists()
        assert server.stop() == 0
        assert (folder / "events").read_text() == "of the shop\n" * 3


def test_the_look_at_the_application_ends_nothing(folder: Path) -> None:
    (folder / "loud.py").write_text(
        "import atexit, os\n"
        "print('imported')\n"
        "atexit.register(os.write, 1, b'ended\\n')\n"
        "def app(environ, start_response): ...\n"
    )
    with deployed(folder, "loud:app", "--serving", "thread") as server:
        assert server.address
        assert server.stop() == 0
        assert server.log.count("imported") == server.log.count("ended") == 1


STUCK = """
import os, select, threading

read, write = os.pipe()
full = os.fdopen(write, "wb")
threading.Thread(target=full.write, args=(bytes(1 << 20),), daemon=True).start()
while select.select([], [write], [], 0)[1]:
    pass
journals = []

def app(environ, start_response):
    journals.append(open("journal", "w"))
    journals[-1].write("in a buffer")
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]
"""


@pytest.mark.parametrize("serving", MODELS)
def test_a_file_whose_lock_is_held_keeps_no_other(serving: str, tmp_path: Path) -> None:
    """A thread of the application waits for a full pipe; under `process` it is not even there
    in the connection's process, and the lock is never given back."""
    (tmp_path / "shop.py").write_text(STUCK)
    with deployed(tmp_path, "shop:app", "--serving", serving) as server:
        with Client(server.address) as client:
            assert client.get("/").body == b"fine"
        assert server.stop() == 0
        assert (tmp_path / "journal").read_text() == "in a buffer"
        assert "is not written to its end" in server.log


@pytest.mark.parametrize("serving", MODELS)
def test_what_a_parent_has_in_a_buffer_is_written_once(serving: str, tmp_path: Path) -> None:
    """Each of its processes has a copy of the buffer, and ends as an interpreter does."""
    with (tmp_path / "journal").open("w") as journal:
        journal.write("a line")
        with running(str(tmp_path), serving=serving):
            pass
    assert (tmp_path / "journal").read_text() == "a line"


IMPORTED = """
journal = open("journal", "w")
journal.write("imported,")

def app(environ, start_response):
    journal.write("called,")
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]
"""


def test_what_is_in_a_buffer_at_a_fork_is_written_once(tmp_path: Path) -> None:
    """Under `process` the application is imported in one process and called in others."""
    (tmp_path / "shop.py").write_text(IMPORTED)
    with deployed(tmp_path, "shop:app", "--serving", "process") as server:
        with Client(server.address) as client:
            assert client.get("/").body == b"fine"
        assert server.stop() == 0
        assert (tmp_path / "journal").read_text() == "imported,called,"
