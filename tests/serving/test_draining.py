"""A server that stops, or replaces its workers, resets no connection that is kept."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import ssl
import time
from pathlib import Path

import pytest

from applications import gate
from fivefold.iomodels import ENGINES
from fivefold.serving import MODELS
from support.client import Client
from support.every_pair import pairs
from support.openssl import self_signed
from support.servers.deployed import SOAK, Deployed, deployed, until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/a.txt").write_text("a" * 1000)
    (tmp_path / "shop.py").write_text(APPLICATION)
    return tmp_path


APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    headers = [(b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"a" * 1000})
"""


def listens(address: tuple[str, int]) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(address) == 0


def is_iterative(pair: dict[str, str]) -> bool:
    engine = next(engine for engine in ENGINES if engine.engine == pair["io"])
    return MODELS[pair["serving"]].traits.one_thread and not engine.traits.overlaps


@pairs()
def test_a_late_request_on_a_kept_connection_is_answered(
    folder: Path, pair: dict[str, str]
) -> None:
    with deployed(folder, "site", "--serving", pair["serving"], "--io", pair["io"]) as server:
        with Client(server.address) as kept:
            last_answer(server, kept, iterative=is_iterative(pair))
        assert server.process.wait(60) == 0


HOSTS = [engine.engine for engine in ENGINES if engine.available() is None]


@pytest.mark.parametrize("io", HOSTS)
def test_so_it_is_by_an_application_with_an_event_loop(folder: Path, io: str) -> None:
    with deployed(folder, "shop:app", "--serving", "async", "--io", io) as server:
        with Client(server.address) as kept:
            last_answer(server, kept, iterative=is_iterative({"serving": "async", "io": io}))
        assert server.process.wait(60) == 0


@pytest.mark.parametrize("serving", MODELS)
def test_so_it_is_over_tls(folder: Path, serving: str) -> None:
    made = self_signed(folder, "localhost")
    tls = ("--tls-cert", made.cert, "--tls-key", made.key)
    with deployed(folder, "site", "--serving", serving, *tls) as server:
        with Client(server.address) as kept:
            context = ssl.create_default_context(cafile=made.cert)
            kept.sock = context.wrap_socket(kept.sock, server_hostname="localhost")
            last_answer(server, kept, iterative=False)
        assert server.process.wait(60) == 0


@pytest.mark.parametrize("target", ["gate:wsgi", "gate:asgi"])
@pytest.mark.parametrize("serving", MODELS)
def test_an_answer_that_is_made_meanwhile_says_that_the_connection_ends(
    tmp_path: Path, serving: str, target: str
) -> None:
    shutil.copy(gate.__file__, tmp_path)
    closed = tmp_path / "closed"
    os.mkfifo(closed)
    with deployed(tmp_path, target, "--serving", serving) as server:
        with Client(server.address) as kept:
            kept.send(f"GET /?gate={closed} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
            with closed.open("wb", buffering=0) as writer:  # once the application waits there
                server.signal(signal.SIGTERM)
                server.said("waiting for 1 connection")
                writer.write(b"x")
            last = kept.answer()
            assert (last.status, last.fields.get("connection")) == (200, "close")
            assert kept.sock.recv(1) == b""
        assert server.process.wait(60) == 0


def last_answer(server: Deployed, kept: Client, *, iterative: bool) -> None:
    """Stop the server, and ask on a connection that is kept."""
    assert kept.get("/a.txt").status == 200
    server.signal(signal.SIGTERM)
    if not iterative:  # else its main coroutine waits behind this client
        until(lambda: not listens(server.address), "a server that stops")
    last = kept.get("/a.txt")
    while "connection" not in last.fields:  # the signal has not come yet
        last = kept.get("/a.txt")
    assert (last.status, last.fields["connection"]) == (200, "close")
    # What comes after that is not answered, and not met by a reset either.
    kept.send(b"GET /a.txt HTTP/1.1\r\nHost: t\r\n\r\n")
    assert kept.sock.recv(1) == b""


@pytest.mark.parametrize(
    ("serving", "io"), [("process", "auto"), ("thread", "auto"), *(("async", io) for io in HOSTS)]
)
def test_a_kept_connection_that_is_not_used_is_closed_in_time(
    folder: Path, serving: str, io: str
) -> None:
    arguments = ("--serving", serving, "--io", io, "--grace-s", "600")
    with deployed(folder, "site", *arguments) as server, Client(server.address) as kept:
        assert kept.get("/a.txt").status == 200
        server.signal(signal.SIGTERM)
        assert kept.sock.recv(1) == b""
        assert server.process.wait(60) == 0


def reload(server: Deployed) -> None:
    """New workers; until the old ones have gone."""
    old = set(server.workers())
    server.signal(signal.SIGHUP)
    until(lambda: not old & set(server.workers()), "the end of the old workers")


class Clients:
    """Clients with kept connections that ask now and then, and open a new one when theirs is
    closed; one that is reset or closed under a request is a loss."""

    def __init__(self, address: tuple[str, int], seed: int) -> None:
        self._address = address
        self._random = random.Random(seed)
        self.answers = 0
        self.losses: list[str] = []
        self.over = False

    async def run(self, server: Deployed, reloads: int) -> None:
        clients = [asyncio.create_task(self._client()) for _ in range(40)]
        for _ in range(reloads):
            await asyncio.to_thread(reload, server)
        self.over = True
        await asyncio.gather(*clients)

    async def _client(self) -> None:
        while not self.over:
            reader, writer = await asyncio.open_connection(*self._address)
            try:
                await self._connection(reader, writer)
            except (OSError, EOFError) as error:
                self.losses.append(repr(error))
            writer.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self.over:
            await asyncio.sleep(self._random.random() * 0.05)
            if reader.at_eof():
                return  # closed between two requests, and known before the next
            writer.write(b"GET /a.txt HTTP/1.1\r\nHost: t\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            await reader.readexactly(1000)
            self.answers += 1
            if b"Connection: close\r\n" in head:
                return


@pytest.mark.parametrize("target", ["site", "shop:app"])
@pytest.mark.parametrize("serving", MODELS)
def test_reloads_reset_no_connection(folder: Path, target: str, serving: str) -> None:
    with deployed(folder, target, "--serving", serving) as server:
        clients = Clients(server.address, seed=7)
        begun = time.monotonic()
        asyncio.run(clients.run(server, reloads=60 if SOAK else 2))
        assert clients.losses == [], f"{clients.answers} in {time.monotonic() - begun:.1f} s"
        assert clients.answers > 100
        assert server.stop() == 0
