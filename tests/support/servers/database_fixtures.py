"""PostgreSQL, Redis and another web server, once for all tests that a process runs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support import TESTS
from support.servers.postgres_and_redis import OwnServer, Postgres, Redis


@contextmanager
def running(server: OwnServer, variable: str, url: str) -> Iterator[None]:
    """Applications find its address in the environment."""
    try:
        server.start()
        os.environ[variable] = url
        yield
    finally:
        os.environ.pop(variable, None)
        server.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    if Postgres.programs() is None:
        pytest.skip("needs PostgreSQL: apt-get install postgresql")
    server = Postgres()
    with running(server, "POSTGRES_URL", server.url):
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("needs Redis: apt-get install redis-server")
    server = Redis()
    with running(server, "REDIS_URL", server.url):
        yield server


@pytest.fixture(scope="session")
def neighbour() -> Iterator[str]:
    """The URL of a server by uvicorn."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        words = ["--fd", str(number), "--log-level", "error", "--lifespan", "off"]
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "applications.databases.neighbour:app", *words],
            env=os.environ | {"PYTHONPATH": TESTS},
            pass_fds=[number],
        )
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    os.environ["NEIGHBOUR_URL"] = url
    try:
        yield url
    finally:
        del os.environ["NEIGHBOUR_URL"]
        process.kill()
        process.wait()
