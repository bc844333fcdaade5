"""Streams at random: windows of one byte, uploads in pieces, half of all streams cancelled.

What is not cancelled has the right bytes, and nothing is left of any stream. `SEED` repeats the
same choices, if not the same moments; `FIVEFOLD_SEED` tries another one.
"""

from __future__ import annotations

import os
import select
from random import Random
from typing import Any

import pytest

from applications.notes_and_gates import Receive, Scope, Send
from fivefold.tracing.attach.inspected import inspected
from support.every_pair import chosen_pairs
from support.raw_http2 import (
    DATA,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    RST_STREAM,
    WINDOW_UPDATE,
    RawHttp2,
    frame,
    request,
    reset,
    status_of,
    window_update,
)
from support.servers.deployed import until
from support.servers.embedded import Site, hosting

Pair = dict[str, Any]

SEED = int(os.environ.get("FIVEFOLD_SEED", "1"))

STREAMS = 200

AT_ONCE = 40

WINDOW_BYTES, STREAM_WINDOW_BYTES = 1_048_576, 262_144
"""What the server allows, on a connection and on each of its streams."""

ROUND_TRIPS = 100
"""For a response, at most."""

PATTERN = bytes(range(251)) * 400


def expected(seed: int, size: int) -> bytes:
    return PATTERN[seed % 251 :][:size]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """/SEED/SIZE/PARTS; of a POST its body."""
    if scope["type"] != "http":
        return
    seed, size, parts = map(int, scope["path"].strip("/").split("/"))
    body, more = b"", scope["method"] == "POST"
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        body, more = body + message["body"], message["more_body"]
    body = body or expected(seed, size)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    step = len(body) // parts + 1
    for at in range(0, len(body), step):
        part = {"type": "http.response.body", "body": body[at : at + step], "more_body": True}
        await send(part)
    await send({"type": "http.response.body", "body": b""})


class Asked:
    """One stream, as its client knows it."""

    def __init__(self, number: int, random: Random, most: int) -> None:
        """`most`: bytes of a response."""
        self.number = number
        self.seed = random.randrange(251)
        self.uploads = random.random() < 0.4
        self.size = min(most, random.choice((0, 1, 300, 5000, 20_000, 70_000)))
        self.parts = random.choice((1, 2, 7))
        self.left = expected(self.seed, self.size) if self.uploads else b""
        self.has_more = self.uploads
        self.came = b""
        self.status = self.owed = 0
        self.cancel_after = random.randrange(3) if random.random() < 0.7 else None
        """So many steps it has, if it is cancelled."""

    def head(self) -> bytes:
        path = f"/{self.seed}/{self.size}/{self.parts}"
        if self.uploads:
            return request(self.number, path, method="POST", ends=False)
        return request(self.number, path)


class RandomClient(RawHttp2):
    """Does what it may, in an order that nobody would choose."""

    def __init__(self, address: tuple[str, int], window: int) -> None:
        """`window`: of each stream, at its beginning."""
        super().__init__(address)
        self._random = Random(SEED)
        self._window = window
        self._open: dict[int, Asked] = {}
        self._next = 1
        self._room = WINDOW_BYTES
        self._owed = 0
        self.done = self.cancelled = 0
        self.begin((INITIAL_WINDOW_SIZE, self._window))

    def run(self) -> None:
        last = 2 * STREAMS + 1
        while self._open or self._next < last:
            if self._next < last and len(self._open) < AT_ONCE:
                self._ask()
            for stream in list(self._open.values()):
                self._step(stream)
            while self._open and self._has_come():
                self._took(self.frame())

    def _has_come(self) -> bool:
        """Whether there is something to read; where there is not, all windows are opened."""
        if self._received or select.select([self.sock], [], [], 0)[0]:
            return True
        self.send(b"".join(self._owing(stream, 1.0) for stream in self._open.values()))
        if self._owed:
            self.send(window_update(0, self._owed))
            self._owed = 0
        return not any(stream.has_more for stream in self._open.values())

    def _ask(self) -> None:
        stream = Asked(self._next, self._random, ROUND_TRIPS * self._window)
        self._next += 2
        self._open[stream.number] = stream
        self.send(stream.head())

    def _step(self, stream: Asked) -> None:
        if stream.cancel_after is not None:
            stream.cancel_after -= 1
            if stream.cancel_after < 0:
                self.send(reset(stream.number))
                self.cancelled += 1
                del self._open[stream.number]
                return
        out = self._owing(stream, self._random.random())
        if stream.has_more:
            out += self._upload(stream)
        self.send(out)

    def _owing(self, stream: Asked, share: float) -> bytes:
        by = min(stream.owed, int(stream.owed * share) + 1)
        stream.owed -= by
        return window_update(stream.number, by) if by else b""

    def _upload(self, stream: Asked) -> bytes:
        size = min(self._random.choice((1, 500, 16_384)), self._room)
        part, stream.left = stream.left[:size], stream.left[size:]
        self._room -= len(part)
        stream.has_more = bool(stream.left) or not size
        return frame(DATA, 0 if stream.has_more else END_STREAM, stream.number, part)

    def _took(self, found: Any) -> None:
        assert found.kind != GOAWAY, found
        if found.kind == WINDOW_UPDATE and not found.stream:
            self._room += found.code
        if found.kind == DATA:
            self._owed += len(found.payload)
        stream = self._open.get(found.stream)
        if stream is None:
            return
        assert found.kind != RST_STREAM, found
        if found.kind == HEADERS:
            stream.status = status_of(found.payload)
        if found.kind == DATA:
            stream.came += found.payload
            stream.owed += len(found.payload)
        if found.ends:
            self._end(stream)

    def _end(self, stream: Asked) -> None:
        del self._open[stream.number]
        assert not stream.has_more
        assert stream.status == 200
        assert stream.came == expected(stream.seed, stream.size)
        self.done += 1

    def uploads(self, size: int) -> bytes:
        """A further one, to see whether all windows have been given back."""
        stream = self._next
        data = PATTERN[:size]
        self.send(request(stream, "/0/0/1", method="POST", ends=False))
        self.send(window_update(stream, size) + window_update(0, size + self._owed))
        for at in range(0, size, 16_384):
            part = data[at : at + 16_384]
            while self._room < len(part):
                self._room += self.until(WINDOW_UPDATE, 0).code
            self._room -= len(part)
            ends = END_STREAM if at + 16_384 >= size else 0
            self.send(frame(DATA, ends, stream, part))
        assert self.status(stream) == 200
        return self.body(stream)


@pytest.mark.parametrize("window", [1, 3000])
@pytest.mark.parametrize(
    "pair", chosen_pairs("async-epoll", "async-uring", "async-posix", "thread-blocking")
)
def test_streams_at_random(pair: Pair, window: int) -> None:
    with hosting(app, h2c=True, **pair) as site, RandomClient(site.address, window) as client:
        client.run()
        assert min(client.done, client.cancelled) > STREAMS // 8
        assert client.uploads(90_000) == PATTERN[:90_000]
        until(lambda: streams_of(site) == [0], "no stream is left")
        assert client.lives()
        assert "Traceback" not in site.log


def streams_of(site: Site) -> list[int]:
    """How many each connection serves, and has waiting."""
    found = [one for process in inspected(site.server.pid) for one in process["connections"]]
    return [one["streams"] + one["waiting"] for one in found if one["streams"] is not None]
