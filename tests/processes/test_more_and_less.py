"""SIGTTIN and SIGTTOU: one worker more, one less, while clients come and go."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.servers.deployed import CRASHES, Deployed, deployed, until

ENGINES = [
    ("async", "epoll", 1),
    ("async", "epoll", 2),
    ("thread", "blocking", 2),
    ("thread", "sigio", 2),
    ("process", "epoll", 1),
]


@contextmanager
def clients_are_served(server: Deployed) -> Iterator[Callable[[], None]]:
    """New connections, one after the other, each of which must be answered; until it is called."""
    over, lost = threading.Event(), list[int]()

    def come() -> None:
        while not over.is_set():
            if server.get("/") is None:
                lost.append(1)

    server.answers()
    client = threading.Thread(target=come)
    client.start()

    def end() -> None:
        over.set()
        client.join()

    try:
        yield end
    finally:
        end()
    assert not lost


@pytest.mark.parametrize(("serving", "io", "workers"), ENGINES)
def test_workers_come_and_go_and_no_client_is_lost(
    serving: str, io: str, workers: int, tmp_path: Path
) -> None:
    (tmp_path / "crashes.py").write_text(CRASHES)
    several = () if workers == 1 else ("--workers", str(workers))
    arguments = ("crashes:app", "--serving", serving, "--io", io, *several)
    with deployed(tmp_path, *arguments) as server, clients_are_served(server) as over:

        def has(count: int) -> None:
            until(lambda: len(server.workers()) == count, f"{count} workers")

        has(workers)
        for count in (workers + 1, workers + 2):
            server.signal(signal.SIGTTIN)
            has(count)
        old = set(server.workers())
        server.signal(signal.SIGHUP)
        until(lambda: not old & set(server.workers()), "new workers")
        has(workers + 2)
        for count in range(workers + 1, 0, -1):
            server.signal(signal.SIGTTOU)
            server.said(f"one worker less (SIGTTOU): {count}")
            has(count)
        server.signal(signal.SIGTTOU)
        server.said("the last worker of an address stays")
        for _ in range(40):  # in the queues of those that have gone, too
            assert server.get("/") is not None
        server.signal(signal.SIGTTIN)
        has(2)
        over()
        assert server.stop() == 0


def test_a_queue_without_its_worker_is_adopted_and_taken_back(tmp_path: Path) -> None:
    """As often as it goes up and down: the kernel has as many queues as before."""
    (tmp_path / "crashes.py").write_text(CRASHES)
    with deployed(tmp_path, "crashes:asgi", "--workers", "2") as server:
        port = f":{server.address[1]:04X} "

        def queues() -> int:
            return sum(
                port in line and line.split()[3] == "0A"
                for line in Path("/proc/net/tcp").read_text().splitlines()
            )

        assert queues() == 2
        for _ in range(2):
            server.signal(signal.SIGTTOU)
            until(lambda: len(server.workers()) == 1, "one worker")
            server.signal(signal.SIGTTIN)
            until(lambda: len(server.workers()) == 2, "two workers")
        assert queues() == 2
        assert server.stop() == 0
