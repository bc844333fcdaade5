"""A client on a slow line is served as long as it takes something, and no longer; and what is read
ahead for it is bounded."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fivefold import Server, Settings
from fivefold.errors import DeadlineExceeded
from fivefold.http1.limits import Limits
from fivefold.http2.stream import StreamConnection
from fivefold.iomodels.lifetime import NEVER
from support.process_tree import descendants_of
from support.raw_http2 import (
    CANCEL,
    DATA,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    RST_STREAM,
    RawHttp2,
    request,
    settings,
    window_update,
)
from support.servers.folder import Serve

SEND_S = 1.0

READ_BYTES = 12_000_000
"""Three times what `stream.AHEAD_BYTES` says: less than half of what 100 streams would read of
their files without that bound."""


def slow(client: RawHttp2, streams: set[int], rate: float) -> dict[int, int]:
    """What each stream has sent in the end to a line of `rate` bytes a second."""
    came = dict.fromkeys(streams, 0)
    left = set(streams)
    while left:
        found = client.frame()
        assert found.kind != RST_STREAM, found
        if found.kind == DATA:
            came[found.stream] += len(found.payload)
            time.sleep(len(found.payload) / rate)  # the line itself
            client.send(window_update(0, len(found.payload)))
        if found.kind in {DATA, HEADERS} and found.ends:
            left.remove(found.stream)
    return came


def test_a_response_waits_for_those_before_it_on_a_slow_line(serve: Serve) -> None:
    """They have not moved for longer than `send_s` (RFC 9218), through no fault of their client."""
    with serve(h2c=True, send_s=SEND_S) as address, RawHttp2(address) as client:
        client.begin((INITIAL_WINDOW_SIZE, 2**30))
        streams = range(1, 33, 2)
        client.send(b"".join(request(stream, "/64k.bin") for stream in streams))
        came = slow(client, set(streams), 2**20 / (4 * SEND_S))
        assert set(came.values()) == {65_536}


def test_a_stream_that_takes_nothing_is_given_up(serve: Serve) -> None:
    """Although its connection takes other streams."""
    with serve(h2c=True, send_s=SEND_S) as address, RawHttp2(address) as client:
        client.begin((INITIAL_WINDOW_SIZE, 1000))
        client.send(request(1, "/1m.bin") + request(3, "/50m.bin"))
        codes: dict[int, int] = {}
        while not codes:
            found = client.frame()
            if found.kind == DATA and found.stream == 3:
                size = len(found.payload)
                client.send(window_update(0, size) + window_update(3, size))
            if found.kind == RST_STREAM:
                codes[found.stream] = found.code
        assert codes == {1: CANCEL}
        assert client.lives()


def test_an_answer_from_memory_waits_for_a_window_that_was_taken_away(serve: Serve) -> None:
    """It is not taken for one that has left: its stream is given up like any other."""
    with serve(h2c=True, send_s=SEND_S / 4) as address, RawHttp2(address) as client:
        client.begin()
        client.send(request(1, "/index.html"))
        assert client.until(HEADERS, 1)
        assert client.body(1)
        client.send(settings((INITIAL_WINDOW_SIZE, 0)) + request(3, "/index.html"))
        assert client.until(RST_STREAM, 3).code == CANCEL
        assert client.lives()


def waiting_stream(taken_at: float) -> StreamConnection:
    """Its time is over; nothing has left since it began to wait, and its own window is open."""
    frames = SimpleNamespace(queued=lambda _: 1000, left=0, stream_window=lambda _: 1000)
    below = SimpleNamespace(io=None, remembered=None, taken_at=lambda _: taken_at)
    carrier: Any = SimpleNamespace(conn=below, frames=frames, limits=Limits())
    stream = StreamConnection(carrier, 1)
    stream.wait_until(0.0)
    return stream


def test_a_stream_waits_while_its_client_takes_what_the_kernel_holds() -> None:
    stream = waiting_stream(time.monotonic())
    stream.check()
    assert stream.deadline > time.monotonic()
    with pytest.raises(DeadlineExceeded):
        waiting_stream(-NEVER).check()  # no send waits: nobody takes anything


def test_a_hundred_streams_that_take_nothing_read_no_more_than_a_few(site: Path) -> None:
    settings = {"target": str(site), "bind": "127.0.0.1:0", "grace_s": 1.0, "h2c": True}
    with Server(Settings.of(settings)) as server:
        host, _, port = server.addresses[0].partition("://")[2].rpartition(":")
        with RawHttp2((host, int(port))) as client:
            client.begin((INITIAL_WINDOW_SIZE, 0))
            before = read_by(server.pid)
            streams = range(1, 201, 2)
            client.send(b"".join(request(stream, "/50m.bin") for stream in streams))
            for stream in streams:
                assert client.status(stream) == 200
            assert client.lives()
            assert 0 < read_by(server.pid) - before < READ_BYTES


def read_by(pid: int) -> int:
    """Bytes that a server has read, by all of its processes (proc(5))."""
    lines = [Path(f"/proc/{one}/io").read_text() for one in [pid, *descendants_of(pid)]]
    return sum(int(line.partition("rchar: ")[2].split()[0]) for line in lines)
