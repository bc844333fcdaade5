"""wrk in the generator's place: what it prints is read, what it cannot do is told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fivefold.errors import LoadFailed, SettingsError
from fivefold.load.job import Ask, Group, Job, request
from fivefold.load.wrk import Wrk, lua_text, read
from fivefold.testing import running

PRINTED = """\
  100 requests in 1.00s, 20KB read
counts\t100\t1000000\t20000\t0\t2\t10\t1\t9000
quantile\t0.5\t1000
quantile\t0.99\t5000
quantile\t1\t9000
"""

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk: apt-get install wrk")


def test_what_it_prints_is_read() -> None:
    tally = read(PRINTED)

    assert (tally.requests, tally.lost, dict(tally.errors)) == (90, 2, {"status": 10})
    assert (tally.unanswered, tally.elapsed_s, tally.received_bytes) == (1, 1.0, 20000)
    assert tally.latencies.percentile(0.5) == pytest.approx(1e6, rel=0.004)
    assert tally.latencies.highest == 9_000_000


def test_a_run_without_figures_is_no_run() -> None:
    with pytest.raises(LoadFailed, match="unable to connect"):
        read("unable to connect to 127.0.0.1:9 Connection refused\n")


def test_bytes_are_written_as_lua_reads_them() -> None:
    assert lua_text(Ask(b'G"\n1', None)) == '"\\071\\034\\010\\049"'


@needs_wrk
def test_it_asks_for_every_path_in_turn(site: Path) -> None:
    with running(str(site)) as url, Wrk(0) as wrk:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        asks = tuple(Ask(request(p, host="localhost"), None) for p in ("/1.bin", "/nothing"))
        tally = wrk.run(Job(address, 0.5, (Group("kept", 2, asks),)))
    assert tally.requests > 100
    assert tally.errors["status"] == pytest.approx(tally.requests, rel=0.05)
    assert tally.busy > 0


@needs_wrk
def test_it_asks_for_its_url_where_its_script_makes_no_request(site: Path) -> None:
    with running(str(site)) as url, Wrk(0, url="http://{}:{}/nothing", script="") as wrk:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        tally = wrk.run(Job(address, 0.5, (Group("kept", 2, ()),)))
    assert tally.errors["status"] > 0
    assert tally.requests == 0


@needs_wrk
def test_what_it_cannot_do_is_reported() -> None:
    with Wrk(0) as wrk, pytest.raises(LoadFailed, match="--load own"):
        wrk.prepare(Job(("127.0.0.1", 1), 1, (Group("fresh", 1, ()),)))


def test_where_it_is_missing_that_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SettingsError, match="--load own"):
        Wrk(0)
