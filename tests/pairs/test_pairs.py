"""One suite over all fifteen pairs and every engine, with real sockets."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fivefold import Server, Settings
from fivefold.serving import MODELS
from support.client import Client
from support.every_pair import pairs
from support.servers.embedded import address_of
from support.servers.folder import SIZES, Serve, serving

Pair = dict[str, str]


@pytest.fixture(scope="module")
def address(pair: Pair, site: Path) -> Iterator[tuple[str, int]]:
    """A server for all who only ask."""
    with serving(site, **pair) as address:
        yield address


@pairs(shared=True)
def test_files_arrive_byte_for_byte(address: tuple[str, int], site: Path) -> None:
    for name, size in SIZES.items():
        with Client(address) as client:
            answer = client.get(f"/{name}")
            assert (answer.status, len(answer.body)) == (200, size), name
            assert answer.body == (site / name).read_bytes()
            again = client.get(f"/{name}", method="HEAD")
            assert again.fields["content-length"] == str(size)


@pairs(shared=True)
def test_keep_alive_and_pipelining(address: tuple[str, int], site: Path) -> None:
    with Client(address) as client:
        for _ in range(5):
            assert client.get("/1k.bin").body == (site / "1k.bin").read_bytes()
        names = ["1k.bin", "0.bin", "64k+1.bin", "index.html"] * 5
        client.send(b"".join(b"GET /%s HTTP/1.1\r\nHost: t\r\n\r\n" % n.encode() for n in names))
        for name in names:
            assert client.answer().body == (site / name).read_bytes()
        client.send(b"GET /1.bin HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        assert client.answer().fields["connection"] == "close"
        assert client.at_end()


@pairs(overlapping=True, shared=True)
def test_a_slow_reader_does_not_stop_a_fast_one(address: tuple[str, int], site: Path) -> None:
    with Client(address, receive_buffer=4096) as slow:
        slow.send(b"GET /12m.bin HTTP/1.1\r\nHost: t\r\n\r\n")
        slow.exactly(1)  # the server is sending, and will fill every buffer
        with Client(address) as fast:
            for _ in range(20):
                assert fast.get("/64k.bin").status == 200
        expected = (site / "12m.bin").read_bytes()
        head = b"H" + slow._until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert slow.exactly(len(expected)) == expected


@pairs(overlapping=True, shared=True)
def test_an_idle_client_does_not_stop_an_active_one(address: tuple[str, int]) -> None:
    with Client(address), Client(address) as half:
        half.send(b"GET /1k.bin HT")
        with Client(address) as active:
            for _ in range(3):
                assert active.get("/1k.bin").status == 200
        half.send(b"TP/1.1\r\nHost: t\r\n\r\n")
        assert half.answer().status == 200


@pairs()
def test_200_connections_at_once(pair: Pair, serve: Serve) -> None:
    """Where each has a process, most leave when they are answered: 200 processes that all try
    again and again, as the non-blocking model does, would have 90 s of processor time."""
    traits = MODELS[pair["serving"]].traits
    with serve(**pair) as address:
        at_once(address, stay=200 if traits.one_thread or traits.many_threads else 40)


def test_200_processes_at_once(serve: Serve) -> None:
    with serve(serving="process") as address:
        at_once(address, stay=200)


def at_once(address: tuple[str, int], *, stay: int) -> None:
    """All have asked before the first one looks for its answer."""
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(address)) for _ in range(200)]
        for client in clients:
            client.send(b"GET /1k.bin HTTP/1.1\r\nHost: t\r\n\r\n")
        for number, client in enumerate(clients):
            assert len(client.answer().body) == 1024
            if number >= stay:
                client.sock.close()


@pairs()
def test_sigterm_under_load_loses_no_accepted_request(pair: Pair, site: Path) -> None:
    """Every response that has begun is complete; the server ends with status 0."""
    settings = Settings.of({"target": str(site), "bind": "127.0.0.1:0", **pair})
    broken: list[str] = []
    served = threading.Semaphore(0)

    def load(address: tuple[str, int]) -> None:
        try:
            while True:
                with Client(address) as client:
                    for _ in range(20):
                        client.send(b"GET /64k+1.bin HTTP/1.1\r\nHost: t\r\n\r\n")
                        first = client.sock.recv(1)
                        if not first:
                            break  # closed between two requests: nothing was promised
                        client._received = first
                        assert len(client.answer().body) == 65537
                        served.release()
        except (ConnectionError, TimeoutError):
            pass  # no longer listening, or reset before an answer began
        except (EOFError, AssertionError) as error:
            broken.append(repr(error))

    with Server(settings) as server:
        threads = [threading.Thread(target=load, args=(address_of(server),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(40):
            served.acquire()
        os.kill(server._pid, signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert not broken
