"""Servers around the sample applications, and how a test hears from inside of them.

An application runs in another process than its test.  It says that something happened by a
note, a datagram to the test; it is held at a gate, a FIFO, until the test opens that.  So
nothing here waits for time to pass.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from fivefold import Server, Settings
from support.wire import Wire

ASYNC: dict[str, Any] = {"serving": "async", "io": "multiplexing"}
THREAD: dict[str, Any] = {"serving": "thread", "io": "blocking"}
PROCESS: dict[str, Any] = {"serving": "process", "io": "blocking"}

MODELS: dict[str, dict[str, Any]] = {"async": ASYNC, "thread": THREAD, "process": PROCESS}
"""The serving models, each with the I/O model that it is mostly used with."""

WSGI_WAYS = MODELS | {"async-inline": ASYNC | {"inline": True}}
"""The ways in which a WSGI application may be called; `async` is the pool of threads."""

NOTES_S = 30.0
"""A note that does not come in this time will not come."""


class Notes:
    """Hears what applications say with `notes_and_gates.note`."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(NOTES_S)

    def next(self) -> str:
        return self._socket.recv(65536).decode()

    def until(self, words: str) -> None:
        """Passes over what other requests say meanwhile."""
        while self.next() != words:
            pass

    def forget(self) -> None:
        """Those that have come."""
        self._socket.setblocking(False)
        try:
            while True:
                self._socket.recv(65536)
        except BlockingIOError:
            self._socket.settimeout(NOTES_S)

    def close(self) -> None:
        self._socket.close()


@dataclass
class Site:
    """A running server and what its test needs to know."""

    address: tuple[str, int]
    folder: Path
    notes: Notes
    way: str
    server: Server

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    @property
    def ws(self) -> str:
        return f"ws://{self.address[0]}:{self.address[1]}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def is_asgi(self) -> bool:
        return self.server.interface == "asgi"

    def terminate(self) -> None:
        """Ask the server to stop, as an init system does."""
        os.kill(self.server._pid, signal.SIGTERM)

    def wire(self, receive_buffer: int | None = None) -> Wire:
        return Wire(self.address, receive_buffer)

    def recorded(self, text: str) -> int:
        """How often the application has recorded this (`notes_and_gates.record`)."""
        path = self.folder / "record"
        return path.read_text().split().count(text) if path.exists() else 0

    def gate(self, name: str) -> Path:
        """A closed gate: whoever comes to it (`notes_and_gates.wait_at`) waits for `open_gate`."""
        return new_gate(self.folder / name)


def new_gate(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def open_gate(path: Path) -> None:
    """Let the one who waits there pass; waits until it has come.

    Without O_NONBLOCK a gate to which nobody comes would hold its test for ever (fifo(7)).
    """
    until = monotonic() + NOTES_S
    while True:
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
            return
        except OSError as error:
            if error.errno != errno.ENXIO or monotonic() > until:
                raise
        sleep(0.001)


def address_of(server: Server) -> tuple[str, int]:
    """Where the first of its TCP listeners is."""
    host, _, port = server.addresses[0].rpartition("//")[2].rpartition(":")
    return host, int(port)


@contextmanager
def running(**settings: Any) -> Iterator[tuple[Server, tuple[str, int]]]:
    """A server that says nothing to its test."""
    values = {"bind": "127.0.0.1:0", "grace_s": 10.0, **settings}
    with Server(Settings.of(values)) as server:
        yield server, address_of(server)


@contextmanager
def hosting(
    target: Any,
    *,
    way: str = "",
    prepare: Callable[[str], None] | None = None,
    **settings: Any,
) -> Iterator[Site]:
    """A server in processes of its own; its log is a file, its notes come here."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        notes = Notes(folder / "notes")
        os.environ["TEST_FOLDER"] = name
        if prepare is not None:
            prepare(name)
        handler = logging.FileHandler(folder / "log")
        logger = logging.getLogger("fivefold")
        logger.addHandler(handler)
        try:
            with running(target=target, **settings) as (server, address):
                yield Site(address, folder, notes, way, server)
        finally:
            logger.removeHandler(handler)
            handler.close()
            notes.close()
            os.environ.pop("TEST_FOLDER", None)


def still_in_step(wire: Wire) -> bool:
    """Whether the next response on this connection is the next request's."""
    return wire.ask("/echo", method="POST", body=b"in step").body == b"in step"
