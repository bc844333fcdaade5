"""Fixtures that every suite shares: engines, a folder to serve, a running server."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as properties

from support import client
from support.applicable import keep_what_applies
from support.chromium import browser
from support.clone import clone, shell
from support.engines.fixtures import engine, in_thread, io, overlapping, pair
from support.listed_skips import VARIABLE, pytest_make_collect_report, pytest_runtest_makereport
from support.long_files import begin_first
from support.openssl import made
from support.ruled_folder import ruled_folder
from support.servers.database_fixtures import neighbour, postgres, redis
from support.servers.folder import LARGEST, SIZES, Serve, serving
from support.timelines import timelines

__all__ = ["engine", "in_thread", "io", "overlapping", "pair"]  # the contract suite's fixtures
__all__ += ["browser"]  # of all pages
__all__ += ["clone", "shell"]  # the documents'
__all__ += ["made"]  # a certificate
__all__ += ["ruled_folder"]  # of the pairs, by both versions of HTTP
__all__ += ["timelines"]  # of traces that have a witness
__all__ += ["neighbour", "postgres", "redis"]  # other servers
__all__ += ["pytest_make_collect_report", "pytest_runtest_makereport"]

# How long an example takes is the machine's affair, which other tests share.
properties.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
properties.load_profile("shared")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell ignores it for what runs in the background; the tests of Ctrl-C mean it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    keep_what_applies(config, items)
    if hasattr(config, "workerinput"):  # one worker of several
        begin_first(items)


ONCE_NEEDED = ("fivefold.content.asgi.protocol_server", "fivefold.transport.versions")
"""What a server imports once it has an ASGI application or a client of HTTP/2: each that is forked
from here would do so again, for half of the processor time that it takes."""


def pytest_collection_finish() -> None:
    """Before the first test, where pytest runs tests.

    What was imported until now is no garbage, and is not looked through again.

    The servers are forked from this process.  A look for garbage and the look for open files at
    the end of a process (`processes.ending`) write to every object that they see, so that each
    process gets a copy of the whole heap, which is large here: half of the processor time of a
    test, and seconds where there are 200 processes.
    """
    os.environ.pop(VARIABLE, None)
    for name in ONCE_NEEDED:
        import_module(name)
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def clients_closed() -> Iterator[None]:
    """Else the sockets of a failed test would be found by whichever test collects garbage."""
    before = set(client.MADE)  # of fixtures that live longer
    yield
    for left in set(client.MADE) - before:
        left.sock.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files from nothing to 50 MiB."""
    folder = tmp_path_factory.mktemp("site")
    block = bytes(range(256)) * 4096
    for name, size in (SIZES | LARGEST).items():
        repeated = block * (size // len(block) + 1)
        (folder / name).write_bytes(repeated[:size])
    (folder / "index.html").write_text("<!doctype html><title>home</title>")
    (folder / "sub").mkdir()
    (folder / "sub" / "index.html").write_text("<!doctype html><title>sub</title>")
    (folder / "a b.txt").write_text("space")
    (folder / "ü.txt").write_text("umlaut")
    return folder


@pytest.fixture
def serve(site: Path) -> Serve:
    """`with serve(serving=..., io=...) as (host, port)`: a server in a process of its own."""

    return partial(serving, site)


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    """For handlers that wait (`applications.gate`)."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    yield path
    # A test that failed has left a handler there.
    opened = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    os.write(opened, bytes(100))
    os.close(opened)
