"""A WSGI call whose stream was reset keeps its place until it ends, wherever it runs: else a client
that resets what it asks for could have any number at work (rapid reset, CVE-2023-44487)."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from support import TESTS
from support.client import Client
from support.every_pair import chosen_pairs
from support.http2_attacks import numbers
from support.raw_http2 import RawHttp2, request, reset
from support.servers.deployed import until
from support.servers.started import running

STREAMS = 4
"""On one connection."""

ASKED = 5 * STREAMS
"""Of them nearly all are reset; no more than libnghttp2 bears."""

MOST = {"async": STREAMS, "thread": 1}
"""Calls at once for a connection: in the pool, or in its own thread."""


@pytest.mark.parametrize(
    "pair",
    chosen_pairs("async-epoll", "async-uring", "async-sigio", "thread-epoll", "thread-blocking"),
)
def test_a_call_that_blocks_keeps_its_place(pair: dict[str, str], tmp_path: Path) -> None:
    most = MOST[pair["serving"]] + 1  # the one that asks
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    target = f"/wait?gate={quote(str(gate))}"
    words = ["--serving", pair["serving"], "--io", pair["io"], "--h2c"]
    if pair["serving"] == "async":
        words += ["--threads", str(2 * ASKED)]
    limit = ("--http2-streams", str(STREAMS))
    with (
        running("applications.wsgi.counted:app", "--chdir", TESTS, *words, *limit) as server,
        RawHttp2(server.address) as hostile,
        Client(server.address) as good,
    ):

        def counts() -> list[int]:
            return [int(count) for count in good.get("/counts").body.split()]

        hostile.begin()
        streams = list(numbers(ASKED))
        for first in range(0, ASKED, STREAMS):
            batch = streams[first : first + STREAMS]
            hostile.send(b"".join(request(number, target) for number in batch))
            until(lambda: counts()[0] >= most, "calls at the gate")
            if pair["serving"] == "async":
                assert hostile.lives()  # else its thread is in the call, and reads nothing
            hostile.send(b"".join(reset(number) for number in batch))
        hostile.send(request(2 * ASKED + 1, target))
        assert counts()[0] == most
        opened = os.open(gate, os.O_RDWR)
        try:
            os.write(opened, bytes(2 * ASKED))
            assert hostile.status(2 * ASKED + 1) == 200
        finally:
            os.close(opened)
        assert counts()[1] <= most
