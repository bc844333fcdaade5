"""Hostile clients (`support.http2_attacks`): what they get is bounded, and others are served.

After each part of an attack another client asks, and has its answer before the next part is sent:
answers are counted, nothing is timed.  The server is a program of its own, whose memory is its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.http2.offered import STREAMS
from support import TESTS
from support.every_pair import chosen_pairs
from support.http2_attacks import ATTACKS, NO_WINDOW, Attack, numbers
from support.http2_client import Http2Client
from support.process_tree import memory_of_tree
from support.raw_http2 import DATA, RawHttp2, frame, request
from support.servers.deployed import until
from support.servers.started import Running, running

MOST_BYTES = 16 << 20
"""What one connection may make a server hold: for each of 100 streams a part of 64 KiB that waits
for a window and the block that an application gives next, and the frames that say so."""

A_FEW = chosen_pairs(
    # Readiness, and completion with buffers of its own; a thread, whose streams wait in turn.
    "async-epoll",
    "async-uring",
    "thread-blocking",
)

SHORT = ("--send-s", "1", "--body-s", "1", "--linger-s", "0.2")
"""Deadlines that a test can await."""


@pytest.fixture(scope="module", params=A_FEW)
def pair(request: pytest.FixtureRequest) -> dict[str, str]:
    given: dict[str, str] = request.param
    return given


@pytest.fixture(scope="module")
def server(pair: dict[str, str]) -> Iterator[Running]:
    words = ("--serving", pair["serving"], "--io", pair["io"], "--h2c", *SHORT)
    with running("applications.asgi.counted:app", "--chdir", TESTS, *words) as server:
        with Http2Client(server.address) as client:
            for _ in range(200):  # what is kept of requests is there before it is measured
                assert client.ask("/").status == 200
        yield server
        assert server.stop() == 0


def counts(client: Http2Client) -> tuple[int, int]:
    """Calls of the application at work, and how many there ever were at once; but this one."""
    now, most, _ = map(int, client.ask("/counts").body.split())
    return now - 1, most - 1


def is_held(server: int, client: int) -> bool:
    """Whether the server has its end of a connection, whatever has become of the client's (proc(5):
    /proc/net/tcp; TIME_WAIT belongs to nobody)."""
    ends = (f":{server:04X}", f":{client:04X}")
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(x[1].endswith(ends[0]) and x[2].endswith(ends[1]) and x[3] != "06" for x in lines)


def sent(hostile: RawHttp2, attack: Attack, good: Http2Client) -> int:
    """How many answers others had meanwhile. A server that reads no further has stopped it, unless
    it has to end it."""
    hostile.begin(*attack.settings)
    answers = 0
    for part in attack.parts():
        taken = hostile.push(part)
        if attack.ends:
            until(lambda: hostile.push(b"") or hostile.refused, "room for what ends it")
        elif not taken:
            break
        assert good.ask("/").body == b"ok"
        answers += 1
    return answers


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_an_attack_is_bounded(server: Running, attack: Attack) -> None:
    with RawHttp2(server.address) as hostile, Http2Client(server.address) as good:
        before = memory_of_tree(server.process.pid)
        assert sent(hostile, attack, good)
        assert memory_of_tree(server.process.pid) - before < MOST_BYTES
        if attack.ends:
            assert hostile.has_ended()
        assert counts(good)[1] <= STREAMS + 1
        port = hostile.sock.getsockname()[1]
        hostile.sock.close()
        # What it has sent may still lie in the kernel: only then nothing of it begins any more.
        until(lambda: not is_held(server.address[1], port), "the end of its connection")
        until(lambda: counts(good)[0] == 0, "the end of what was asked for")


def test_who_gives_no_window_is_given_up(server: Running) -> None:
    with RawHttp2(server.address) as hostile, Http2Client(server.address) as good:
        hostile.begin(*NO_WINDOW)
        hostile.send(b"".join(request(n, "/endless") for n in numbers(STREAMS)))
        assert good.ask("/").body == b"ok"
        until(lambda: counts(good)[0] == 0, "the end of what nobody takes")


def test_a_body_that_pauses_is_given_up(server: Running) -> None:
    with RawHttp2(server.address) as hostile, Http2Client(server.address) as good:
        hostile.begin()
        posts = (request(n, "/echo", method="POST", ends=False) for n in numbers(STREAMS))
        hostile.send(b"".join(posts))
        hostile.send(b"".join(frame(DATA, 0, n, b"slow") for n in numbers(STREAMS)))
        assert good.ask("/").body == b"ok"
        assert hostile.status(1) == 408
        until(lambda: counts(good)[0] == 0, "the end of what does not come")
