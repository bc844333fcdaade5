"""Where the service runs: on the loop of every engine, and as a witness in uvicorn."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from applications.databases.libraries import CONNECTIONS
from fivefold.iomodels import ENGINES, resolve
from fivefold.serving import MODELS
from support import TESTS
from support.every_pair import why_not
from support.servers.embedded import Notes, hosting

STOP_S = 30.0

ELSEWHERE = {"sigio": "thread", "blocking": "process"}
"""By engine.  The loop is the same under every serving model, but its thread and its process are
not; signals are directed to a thread."""


@dataclass
class Place:
    """A running service, and how many clients it serves at a time."""

    url: str
    folder: Path
    notes: Notes
    clients: int

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.rpartition("/")[2].rpartition(":")
        return host, int(port)


def every_place() -> list[Any]:
    """Parameters for `placed`."""
    cases: list[Any] = [pytest.param({}, id="uvicorn")]
    places = [("async", engine) for engine in ENGINES]
    places += [(ELSEWHERE[e.engine], e) for e in ENGINES if e.engine in ELSEWHERE]
    for serving, engine in places:
        reason = why_not(engine)
        marks = [pytest.mark.skip(reason=reason)] if reason else []
        pair = {"serving": serving, "io": engine.engine}
        cases.append(pytest.param(pair, id=f"{serving}-{engine.engine}", marks=marks))
    return cases


@contextmanager
def placed(application: Any, name: str, pair: dict[str, Any]) -> Iterator[Place]:
    """Serve the application; `name` is what uvicorn calls it."""
    if not pair:
        with by_uvicorn(name) as place:
            yield place
        return
    with hosting(application, **pair) as site:
        yield Place(site.url, site.folder, site.notes, clients_of(**pair))


def clients_of(serving: str, io: str) -> int:
    """One where the traits of both models say so, else more than a pool has connections."""
    engine, _ = resolve(io)
    iterative = MODELS[serving].traits.one_thread and not engine.traits.overlaps
    return 1 if iterative else 2 * CONNECTIONS


@contextmanager
def by_uvicorn(name: str) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as sock:
        notes = Notes(Path(folder) / "notes")
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        words = ["--fd", str(sock.fileno()), "--log-level", "error", "--loop", "asyncio"]
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", name, *words],
            env=os.environ | {"PYTHONPATH": TESTS, "TEST_FOLDER": folder},
            pass_fds=[sock.fileno()],
        )
        try:
            yield Place(url, Path(folder), notes, 2 * CONNECTIONS)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            finally:
                process.kill()
                process.wait()
            notes.close()
