"""The benchmark's load for HTTP/2: how it asks, and that it measures no other version for it."""

# ruff: noqa: E402 -- bench/ holds scripts, not a package: its folder goes on the path first

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from fivefold.errors import LoadFailed
from fivefold.load.expected_answers import HOST
from fivefold.load.job import Ask, Group, Job, request
from support.openssl import Made
from support.servers.folder import serving

BENCH = Path(__file__).resolve().parents[2] / "bench"
sys.path.append(str(BENCH))

import files
import servers
from rows import FAMILIES, Family, Row

import load

CORE = max(os.sched_getaffinity(0))

PATH = "/1k.html"

PROGRAMS = ("h2load", "curl")

needs_programs = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason="needs curl and h2load (nghttp2-client)"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    site.mkdir()
    (site / PATH[1:]).write_bytes(b"x" * 1024)
    return site


def job(address: tuple[str, int], folder: Path) -> Job:
    ask = Ask(request(PATH, host=HOST), files.right(folder, PATH, None))
    return Job(address, 1, (Group("kept", 8 * 4, (ask,)),))


@needs_programs
@pytest.mark.parametrize(("name", "http"), [("epoll-h2", "1.1,2"), ("epoll-h1", "1.1")])
def test_each_server_is_asked_in_its_own_version(
    name: str, http: str, folder: Path, made: Made, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    settings = {"tls_cert": made.cert, "tls_key": made.key, "http": http, "access_log": str(log)}
    with serving(folder, access_log_format="{protocol}", **settings) as address:
        row = Row("row", name, PATH, None)
        with load.StreamLoad(row, 4, CORE) as asking:
            asking.meet(servers.server(name))
            words = asking.clients(32)
            tally = asking.run(job(address, folder))
    assert tally.requests > 100
    assert (tally.errors.total(), tally.lost) == (0, 0)
    assert set(log.read_text().split()) == {"HTTP/2.0" if http == "1.1,2" else "HTTP/1.1"}
    assert words == (("-c8", "-m4") if http == "1.1,2" else ("--h1", "-c64", "-m1"))


@needs_programs
def test_what_speaks_another_version_is_not_measured(folder: Path, made: Made) -> None:
    tls = {"tls_cert": made.cert, "tls_key": made.key}
    with serving(folder, http="1.1", **tls) as address:
        row = Row("row", "epoll-h2", PATH, None)
        with (
            load.StreamLoad(row, 4, CORE) as asking,
            pytest.raises(LoadFailed, match="not HTTP/2"),
        ):
            asking.meet(servers.server("epoll-h2"))
            asking.prepare(job(address, folder))


def test_a_family_of_streams_has_servers_over_tls_and_says_how_many_ask() -> None:
    families: list[Family] = [family for family in FAMILIES if family.streams]
    assert families
    for family in families:
        every = [servers.server(row.server) for row in family.rows]
        assert {each.scheme for each in every} == {"https"}
        assert "2" in {each.http for each in every}
        assert family.clients(64) == "16 connections of 16 streams"
    assert Family("name", "title", "", ()).clients(64) == "64 keep-alive connections"
