"""Locust in the generator's place: what it prints is read, what it cannot do is told."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fivefold.errors import LoadFailed, SettingsError
from fivefold.load.expected_answers import HOST, learn
from fivefold.load.generator import Generator
from fivefold.load.job import Ask, Expected, Group, Job, request
from fivefold.load.locust import Locust, described, read
from fivefold.testing import running
from support.measured_again import measured_again

pytestmark = pytest.mark.alone

needs_locust = pytest.mark.skipif(
    shutil.which("locust") is None, reason="needs locust: pipx install locust"
)

ROWS = [
    {
        "name": "right",
        "start_time": 100.0,
        "last_request_timestamp": 102.0,
        "num_requests": 5,
        "total_content_length": 50,
        "response_times": {"1": 4, "1200": 1},
    },
    {
        "name": "wrong status",
        "start_time": 100.5,
        "last_request_timestamp": None,
        "num_requests": 2,
        "total_content_length": 6,
        "response_times": {"2": 2},
    },
]


def test_what_it_prints_is_read() -> None:
    tally = read("a word before\n" + json.dumps(ROWS))
    assert (tally.requests, dict(tally.errors)) == (5, {"status": 2})
    assert (tally.elapsed_s, tally.requests_per_s, tally.received_bytes) == (2.0, 2.5, 56)
    assert tally.latencies.percentile(0.5) == pytest.approx(1e6, rel=0.004)
    assert tally.latencies.highest == pytest.approx(1.2e9, rel=0.004)
    with pytest.raises(LoadFailed, match="no statistics"):
        read("nothing")


def test_requests_are_taken_apart() -> None:
    ask = Ask(request("/a?b", host="h", method="POST", body=b"xyz"), Expected(200, 3, b"d"))
    method, path, fields, body, *right = described(ask)
    assert (method, path, body, right) == ("POST", "/a?b", b"xyz", [200, 3, b"d"])
    assert fields["Host"] == "h"
    assert "Content-Length" not in fields


async def sleeping(scope: Any, receive: Any, send: Any) -> None:
    """An application whose waiting, not the machine, decides how fast it is."""
    if scope["type"] == "lifespan":
        return
    await asyncio.sleep(0.1)
    headers = [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


@needs_locust
@measured_again
def test_it_agrees_with_our_own_load() -> None:
    with running(sleeping) as url, Locust(0) as locust, Generator() as own:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        ask = Ask(request("/", host=HOST), learn(address, "/"))
        job = Job(address, 2, (Group("kept", 8, (ask,)),))
        ours, theirs = own.run(job), locust.run(job)
    assert theirs.errors == {}
    assert theirs.requests_per_s == pytest.approx(ours.requests_per_s, rel=0.1)
    for share in (0.5, 0.9):
        mine, other = ours.latencies.percentile(share), theirs.latencies.percentile(share)
        assert other == pytest.approx(mine, rel=0.1)
    assert 0 < theirs.busy <= 1


@needs_locust
def test_wrong_answers_are_counted_by_kind(site: Path) -> None:
    with running(str(site)) as url, Locust(0) as locust:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        right = learn(address, "/1k.bin")
        asks = tuple(
            Ask(request("/1k.bin", host=HOST), each)
            for each in (right, Expected(404), Expected(200, 7), Expected(200, 1024, b"other"))
        )
        tally = locust.run(Job(address, 1, (Group("kept", 2, asks),)))
        folder = Path(locust._folder.name)
    assert set(tally.errors) == {"status", "length", "body"}
    assert tally.requests > 0
    assert not folder.exists()


@needs_locust
def test_what_it_cannot_do_is_reported() -> None:
    with Locust(0) as locust, pytest.raises(LoadFailed, match="--load own"):
        locust.prepare(Job(("127.0.0.1", 1), 1, (Group("fresh", 1, ()),)))


def test_where_it_is_missing_that_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SettingsError, match="--load own"):
        Locust(0)
