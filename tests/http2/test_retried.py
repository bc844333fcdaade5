"""Reloads and stops under a client that asks again for what GOAWAY says was not served: it has an
answer to everything, and to nothing twice.

The client is bound by RFC 9113, section 6.8: a stream above the last one of a GOAWAY, or one that
was refused, is asked for again; any other without an answer is lost.  What it does next is chance
with a seed; signals are sent after answers, and nothing is timed.
"""

from __future__ import annotations

import random
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support.http2_client import Http2Client
from support.raw_http2 import REFUSED_STREAM
from support.servers.deployed import PATIENCE_S, Deployed, deployed, until
from support.servers.embedded import MODELS as WAYS

APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
    body = scope["path"].encode() + bytes(int(scope["query_string"]))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""

OUTSTANDING = 12
"""Requests at once."""

LATE = 3
"""Requests that were on their way when the server said that it ends, as far as it can know."""

SIZES = (0, 100, 5_000, 70_000)
"""Of bodies: what leaves at once, and what waits for a window."""

EACH = 40
"""Answers between two signals."""

RELOADS, STOPS = 4, 2

every_model = pytest.mark.parametrize("serving", MODELS)


class Lost(AssertionError):
    """A request that the server has neither answered nor given back."""


class Retrying:
    """Asks for numbers, in turn, each until it is answered."""

    def __init__(self, address: Callable[[], tuple[str, int]], seed: int) -> None:
        self._address = address
        self._chance = random.Random(seed)
        self._again: deque[tuple[int, int]] = deque()
        self._next = 0
        self.answered: list[int] = []
        self.retried = 0
        self.connections = 0

    def work(self) -> Iterator[int]:
        """For ever; yields how many answers there are, after each."""
        while True:
            client = self._connected()
            self.connections += 1
            with client:
                yield from self._on(client)

    def _connected(self) -> Http2Client:
        """Nobody may be there between two servers."""
        found: list[Http2Client] = []

        def connect() -> bool:
            with suppress(OSError):
                found.append(Http2Client(self._address()))
            return bool(found)

        until(connect, "a server")
        return found[0]

    def _on(self, client: Http2Client) -> Iterator[int]:
        """One connection, to its end: the client's, once it has all; every other one the server's,
        which gets some more requests by then."""
        asked: dict[int, tuple[int, int]] = {}
        late = LATE if self.connections % 2 else 0
        try:
            while client.goaway is None or asked or late:
                most = OUTSTANDING
                if client.goaway is not None:
                    most, late = (0, late) if asked else (late, 0)
                while len(asked) < most:
                    wanted = self._wanted()
                    asked[client.begin("/{}?{}".format(*wanted))] = wanted
                client.take()
                for number in [number for number in asked if client.streams[number].over]:
                    if self._judge(client, number, asked.pop(number)):
                        yield len(self.answered)
            if self.connections % 2:
                client.at_end()
        except (EOFError, OSError):
            self._give_back(client, asked)

    def _wanted(self) -> tuple[int, int]:
        if self._again:
            return self._again.popleft()
        self._next += 1
        return self._next, self._chance.choice(SIZES)

    def _judge(self, client: Http2Client, number: int, wanted: tuple[int, int]) -> bool:
        """Whether it is answered."""
        stream = client.streams[number]
        if stream.reset == REFUSED_STREAM:
            self._again.append(wanted)
            return False
        if not stream.ended:
            raise Lost(f"{wanted} was reset with {stream.reset}")
        answer = client.head(number)
        which, size = wanted
        assert (answer.status, answer.body) == (200, b"/%d" % which + bytes(size))
        self.answered.append(which)
        return True

    def _give_back(self, client: Http2Client, asked: dict[int, tuple[int, int]]) -> None:
        """The connection is over: what was not served is asked for again."""
        if asked and client.goaway is None:
            raise Lost(f"{asked} on a connection that ended without a word")
        assert client.goaway is not None
        last = client.goaway.last_stream_id
        lost = {number: wanted for number, wanted in asked.items() if number <= last}
        if lost:
            raise Lost(f"{lost}, although the last stream is {last}")
        self._again.extend(asked.values())
        self.retried += len(asked)


def words(serving: str) -> tuple[str, ...]:
    """Two workers, where the model has several; the usual I/O model."""
    several = ("--workers", "2") if MODELS[serving].traits.scales_by_workers else ()
    io = WAYS[serving]["io"]
    return "shop:app", "--h2c", "--serving", serving, "--io", io, "--grace-s", "20", *several


def with_application(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "shop.py").write_text(APPLICATION)
    return folder


def nothing_lost(client: Retrying) -> None:
    """Everything that was asked for until now has one answer, but what is outstanding."""
    assert len(client.answered) == len(set(client.answered))
    missing = set(range(1, max(client.answered))) - set(client.answered)
    assert len(missing) < OUTSTANDING


def signalled(client: Retrying) -> Iterator[int]:
    """The client works; it is interrupted for each signal, of which each meets a connection of its
    own, with streams on it."""
    number, due, met = 1, EACH, 0
    for answers in client.work():
        if answers >= due and client.connections > met:
            met = client.connections
            yield number
            number, due = number + 1, answers + EACH


def reload(server: Deployed) -> None:
    """Returns when the first new worker is there; the old ones end meanwhile."""
    before = set(server.workers())
    server.signal(signal.SIGHUP)
    until(lambda: set(server.workers()) - before, "a new worker")


@every_model
def test_reloads_again_and_again(serving: str, tmp_path: Path) -> None:
    with deployed(with_application(tmp_path), *words(serving)) as server:
        client = Retrying(lambda: server.address, seed=16)
        for number in signalled(client):
            if number > RELOADS:
                break
            reload(server)
        nothing_lost(client)
        assert "Traceback" not in server.log
        assert server.stop() == 0


@every_model
def test_stops_again_and_again(serving: str, tmp_path: Path) -> None:
    """Each time another server is there, as in a rolling restart."""
    with ExitStack() as stack:
        servers: list[Deployed] = []

        def start() -> None:
            folder = with_application(tmp_path / str(len(servers)))
            servers.append(stack.enter_context(deployed(folder, *words(serving))))

        start()
        client = Retrying(lambda: servers[-1].address, seed=16)
        for number in signalled(client):
            if number > STOPS:
                break
            start()
            servers[-2].signal(signal.SIGTERM)
        nothing_lost(client)
        servers[-1].signal(signal.SIGTERM)
        assert [server.process.wait(PATIENCE_S) for server in servers] == [0] * len(servers)
