"""Entries are complete when they are made, and an open file is closed by its last holder."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import fivefold.content.static
from fivefold.content.static.files.entry import Entry
from fivefold.content.static.files.file_cache import FileCache
from fivefold.content.static.policy import Policy
from fivefold.content.static.representations.validators import validators_of
from fivefold.content.static.rules import Rules

LARGE = 100_000


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[FileCache]:
    (tmp_path / "page.html").write_bytes(b"<p>page")
    (tmp_path / "large.bin").write_bytes(b"a" * LARGE)
    root = os.open(tmp_path, os.O_RDONLY)
    yield FileCache(root)
    os.close(root)


def entry_of(cache: FileCache, path: bytes, content: bytes | None) -> Entry:
    policy = Policy(Rules(header=("*.html: X-Rule: yes",)))
    with cache.open(path) as file:
        known = validators_of(file, content)
        return Entry(path, file, content, known, policy.metadata(path), varies=False)


class Received(BytesIO):
    """What Python's own client takes for a socket."""

    def makefile(self, *_: Any) -> BytesIO:
        return self


def test_the_bytes_of_http1_are_made_from_its_data(cache: FileCache) -> None:
    entry = entry_of(cache, b"page.html", b"<p>page")
    for day in (b"01", b"02"):
        entry.with_date(b"Date: Mon, %b Jan 2029 00:00:00 GMT\r\n" % day, until=5.0)
        answer = HTTPResponse(Received(entry.as_http1))  # type: ignore[arg-type]
        answer.begin()
        assert answer.status == entry.head.status == 200
        assert entry.answer.as_http1 is entry.as_http1
        assert (entry.answer.head, entry.answer.body) == (entry.head, b"<p>page")
        found = [(name.encode(), value.encode()) for name, value in answer.getheaders()]
        ours = dict(found) | {b"Server": b"", b"Date": b""}
        assert ours == {
            **dict(entry.fields),
            b"Content-Length": b"%d" % entry.size,
            b"Server": b"",
            b"Date": b"",
        }
        assert ours[b"X-Rule"] == b"yes"
        assert answer.headers["Date"][5:7] == day.decode()
        assert answer.read() == bytes(entry.body) == entry.content(0, entry.size) == b"<p>page"
        assert entry.content(3, 2) == b"pa"
        assert entry.body.obj is entry.as_http1  # the content is in memory once
        assert entry.fresh_until == 5.0


def test_the_last_holder_closes_a_large_file(cache: FileCache) -> None:
    before = len(os.listdir("/proc/self/fd"))
    entry = entry_of(cache, b"large.bin", None)
    cache.keep(entry)
    part = entry.file_part(0, LARGE)
    assert entry.hold()
    assert entry.is_used
    cache.clear()
    part.release()
    assert os.pread(part.file.fd, 1, 0) == b"a"
    entry.drop()
    assert len(os.listdir("/proc/self/fd")) == before
    assert not entry.hold()
    assert entry.fresh_until == 0


STATIC = Path(fivefold.content.static.__file__).parent


@pytest.mark.parametrize(
    "module", sorted(STATIC.rglob("*.py")), ids=lambda m: m.relative_to(STATIC).as_posix()
)
def test_nobody_writes_to_the_state_of_another(module: Path) -> None:
    written = [
        ast.unparse(node)
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]
    assert [target for target in written if target.rpartition(".")[0] != "self"] == []
