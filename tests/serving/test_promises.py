"""What each serving model promises when something dies, is exhausted or is told to stop."""

from __future__ import annotations

import os
import select
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support.applicable import only
from support.client import TIMEOUT_S, Client
from support.process_tree import open_files, server_end, wait_until_gone
from support.servers.started import Running, running


@pytest.mark.parametrize("serving", MODELS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_clean_stop_has_status_0_and_leaves_no_process(
    serving: str, number: signal.Signals, site: Path
) -> None:
    with running(str(site), "--serving", serving) as server, Client(server.address) as idle:
        assert idle.get("/1k.bin").status == 200
        below = server.descendants()
        assert server.stop(number) == 0
        assert idle.at_end()
        for pid in below:
            wait_until_gone(pid)


@pytest.mark.parametrize("serving", MODELS)
def test_a_killed_worker_is_replaced_on_the_same_socket(serving: str, site: Path) -> None:
    with running(str(site), "--serving", serving) as server:
        worker = server.descendants()[0]
        os.kill(worker, signal.SIGKILL)
        server.line_with("was killed by SIGKILL")
        with Client(server.address) as client:
            assert client.get("/1k.bin").status == 200
        assert server.stop() == 0


def test_a_killed_connection_process_takes_one_connection(site: Path) -> None:
    with running(str(site), "--serving", "process") as server:
        before = set(server.descendants())
        with Client(server.address) as victim, Client(server.address) as other:
            assert victim.get("/1k.bin").status == other.get("/1k.bin").status == 200
            serving = {serving_pid(server, victim), serving_pid(server, other)}
            assert len(serving) == 2
            os.kill(serving_pid(server, victim), signal.SIGKILL)
            assert victim.at_end()
            assert other.get("/1k.bin").status == 200
        with Client(server.address) as newcomer:
            assert newcomer.get("/1k.bin").status == 200
        assert before
        assert server.stop() == 0


def serving_pid(server: Running, client: Client) -> int:
    """Which process holds the other end of the client's connection, by /proc alone."""
    end = server_end(server.address, client.sock)
    return next(pid for pid in reversed(server.descendants()) if end in open_files(pid))


def test_idle_children_that_are_killed_lose_no_connection(site: Path) -> None:
    with running(str(site), "--serving", "process") as server:
        with Client(server.address) as client:
            assert client.get("/1k.bin").status == 200
        forker, acceptor, *children = server.descendants()
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            wait_until_gone(pid)
        for _ in range(20):
            with Client(server.address) as client:
                assert client.get("/1k.bin").status == 200
        assert {forker, acceptor} <= set(server.descendants())
        assert server.stop() == 0


@pytest.mark.parametrize("serving", ["process", "thread"])
def test_fresh_serves_every_connection_by_another(serving: str, site: Path) -> None:
    with running(str(site), "--serving", serving, "--fresh") as server:
        for _ in range(30):
            with Client(server.address) as client:
                assert client.get("/1k.bin").status == 200
        assert server.stop() == 0


@only(lambda serving, io: (serving, io) != ("async", "blocking"))  # one is its limit
@pytest.mark.parametrize("serving", ["process", "thread", "async"])
@pytest.mark.parametrize("io", ["blocking", "multiplexing"])
def test_beyond_the_limit_connections_wait_and_are_then_served(
    serving: str, io: str, site: Path
) -> None:
    arguments = ("--serving", serving, "--io", io, "--max-connections", "3")
    with running(str(site), *arguments) as server:
        clients = [Client(server.address) for _ in range(10)]
        for client in clients:
            client.send(b"GET /1k.bin HTTP/1.1\r\nHost: t\r\n\r\n")
        for client in clients:  # each is let in when one before it leaves
            assert client.answer().status == 200
            client.sock.close()
        assert server.stop() == 0


@pytest.mark.parametrize("serving", ["thread", "async"])
def test_sighup_replaces_workers_without_losing_a_connection(serving: str, site: Path) -> None:
    with running(str(site), "--serving", serving, "--workers", "2") as server:
        old = set(server.descendants())
        with Client(server.address) as kept:
            assert kept.get("/1k.bin").status == 200
            server.process.send_signal(signal.SIGHUP)
            while any(pid in old for pid in server.descendants()):
                with Client(server.address) as client:
                    assert client.get("/1k.bin").status == 200
        assert len(server.descendants()) == 2
        assert server.stop() == 0


@pytest.mark.parametrize("serving", ["process", "thread", "async"])
def test_out_of_descriptors_it_neither_spins_nor_dies_and_recovers(
    serving: str, site: Path
) -> None:
    """Each worker takes from all queues, so whoever does not fit waits behind any of the others."""
    with running(str(site), "--serving", serving, nofile=40) as server, ExitStack() as ends:
        waiting = {}
        for _ in range(60):
            client = ends.enter_context(Client(server.address))
            client.send(b"GET /1k.bin HTTP/1.1\r\nHost: t\r\n\r\n")
            waiting[client.sock] = client
        while waiting:
            answered, _, _ = select.select(waiting, [], [], TIMEOUT_S)
            assert answered, f"{len(waiting)} were never served"
            for sock in answered:
                with waiting.pop(sock) as client:
                    assert client.answer().status == 200
        with Client(server.address) as client:
            assert client.get("/1k.bin").status == 200
        assert server.stop() == 0


def test_second_interrupt_ends_at_once(site: Path) -> None:
    with (
        running(str(site), "--serving", "async", "--grace-s", "600") as server,
        Client(server.address, receive_buffer=4096) as slow,
    ):
        slow.send(b"GET /50m.bin HTTP/1.1\r\nHost: t\r\n\r\n")
        slow.exactly(1)
        server.process.send_signal(signal.SIGINT)
        while True:  # the listener is closed once the first signal was understood
            try:
                Client(server.address).sock.close()
            except ConnectionError:
                break
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(timeout=60) == 1, "a connection was cut"
