"""Descriptors are for connections first: files are kept open within a share of them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from fivefold.content.static.files.kept import OPEN_SHARE
from support.client import Client
from support.every_pair import pairs

LIMIT = 100

LARGE_BYTES = 70_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """More large files than there may be descriptors."""
    for number in range(LIMIT + 50):
        with (tmp_path / f"{number}.bin").open("wb") as file:
            file.truncate(LARGE_BYTES)
    (tmp_path / "small").write_text("small")
    return tmp_path


@contextmanager
def limited(folder: Path, pair: dict[str, str], limit: int = LIMIT) -> Iterator[tuple[str, int]]:
    """A server that may have so many descriptors and no more."""
    options = [word for name, value in pair.items() for word in (f"--{name}", value)]
    shell = ["sh", "-c", f'ulimit -n {limit}; exec "$0" "$@"', sys.executable]
    serve = ["-m", "fivefold", "serve", str(folder), "--bind", "127.0.0.1:0"]
    command = [*shell, *serve, *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            for line in server.stderr:
                if found := re.search(r"http://([\d.]+):(\d+)", line):
                    yield found[1], int(found[2])
                    break
            else:
                pytest.fail("it did not start")
        finally:
            server.terminate()


@pairs(overlapping=True)
def test_kept_files_are_given_back_for_others(pair: dict[str, str], folder: Path) -> None:
    with limited(folder, pair) as address, Client(address) as client:
        for number in range(LIMIT + 50):
            answer = client.get(f"/{number}.bin")
            assert (answer.status, len(answer.body)) == (200, LARGE_BYTES), number


def test_kept_files_are_given_back_for_connections(folder: Path) -> None:
    """As many connections as without any file, although more files are kept than are spared."""
    with limited(folder, {"io": "multiplexing:poll"}, limit=512) as address, ExitStack() as stack:
        with Client(address) as client:
            for number in range(512 // OPEN_SHARE):
                assert client.get(f"/{number}.bin", method="HEAD").status == 200
        for _ in range(460):
            client = stack.enter_context(Client(address))
            assert client.get("/small").body == b"small"
