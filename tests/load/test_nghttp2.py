"""h2load in the generator's place: what it prints is read, and its requests are HTTP/2."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fivefold import Server, Settings
from fivefold.errors import LoadFailed, SettingsError
from fivefold.load.job import Ask, Group, Job, request
from fivefold.load.nghttp2 import H2load, read

PRINTED = """\
finished in 500.00ms, 6.00 req/s, 11.98MB/s
requests: 5 total, 6 started, 5 done, 2 succeeded, 1 failed, 2 errored, 1 timeout
traffic: 1.20KB (1230) total, 148B (148) headers (space savings 87.76%), 1KB (1024) data
"""

TIMES = "1795945747305455\t200\t1000\n1795945747305455\t404\t2000\n1795945747305456\t200\t5000\n"

needs_h2load = pytest.mark.skipif(
    shutil.which("h2load") is None, reason="needs h2load: apt-get install nghttp2-client"
)


def test_what_it_prints_and_writes_is_read() -> None:
    tally = read(PRINTED, TIMES)
    assert (tally.requests, tally.lost, dict(tally.errors)) == (2, 2, {"status": 1})
    assert (tally.unanswered, tally.elapsed_s, tally.received_bytes) == (1, 0.5, 1230)
    assert tally.latencies.highest == 5_000_000


def test_no_counts_are_no_run() -> None:
    with pytest.raises(LoadFailed, match="no counts"):
        read("client could not connect to host\n", "")


@needs_h2load
def test_it_asks_for_every_path_on_streams(site: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    settings = {"target": str(site), "bind": "127.0.0.1:0", "h2c": True, "access_log": str(log)}
    settings["access_log_format"] = "{protocol} {status}"
    with Server(Settings.of(settings)) as server, H2load(0) as load:
        address = ("127.0.0.1", int(server.addresses[0].rpartition(":")[2]))
        asks = tuple(Ask(request(p, host="localhost"), None) for p in ("/1.bin", "/nothing"))
        tally = load.run(Job(address, 1, (Group("kept", 32, asks),)))
    assert tally.requests > 100
    assert tally.errors["status"] == pytest.approx(tally.requests, rel=0.1)
    assert tally.busy > 0
    assert {line.split()[0] for line in log.read_text().splitlines()} == {"HTTP/2.0"}


@needs_h2load
def test_what_h2load_cannot_do_is_reported() -> None:
    with H2load(0) as load, pytest.raises(LoadFailed, match="--load own"):
        load.prepare(Job(("127.0.0.1", 1), 1, (Group("fresh", 1, ()),)))


def test_without_h2load_that_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SettingsError, match="nghttp2-client"):
        H2load(0)
