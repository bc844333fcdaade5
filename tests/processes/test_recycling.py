"""Workers that are worn out: `--max-requests`, `--max-worker-age-s`, `--max-worker-rss`."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from fivefold.errors import SettingsError
from fivefold.isolation.reporting import logger
from fivefold.linux.processes import proportional_bytes
from fivefold.processes.census import Census
from fivefold.processes.draining import Draining
from fivefold.processes.ready_pipe import Announcement, Attention
from fivefold.processes.request_count import RequestCount
from fivefold.processes.supervision import recycling
from fivefold.processes.supervision.recycling import RecyclingSettings, Wear, size
from fivefold.processes.supervision.slots import Slots
from fivefold.processes.supervision.worker import Worker
from fivefold.server.service_tables import services
from fivefold.server.settings import Settings
from support.client import Client
from support.process_tree import wait_until_gone
from support.servers.deployed import PATIENCE_S, Deployed, deployed, until

APP = """
import os

leak = []

def app(environ, start_response):
    if environ["PATH_INFO"] == "/grow":
        leak.append(b"x" * 200_000_000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
"""

PAIRS = [("process", "epoll"), ("thread", "blocking"), ("async", "epoll")]

PAUSE_S = 0.002
"""Of each client after a connection: the tests are about many moments, not about load."""


@contextmanager
def serving(folder: Path, pair: tuple[str, str], *arguments: str) -> Iterator[Deployed]:
    (folder / "leaks.py").write_text(APP)
    model, io = pair
    with deployed(folder, "leaks:app", "--serving", model, "--io", io, *arguments) as server:
        server.said("listening on")
        yield server
        assert server.stop() == 0


@contextmanager
def a_stream_of_requests(server: Deployed) -> Iterator[None]:
    """Kept connections, one after the other, from three clients; no request may be lost."""
    over, lost, address = threading.Event(), list[BaseException](), server.address

    def ask() -> None:
        try:
            while not over.wait(PAUSE_S):
                with Client(address) as client:
                    for _ in range(3):
                        answer = client.get("/")
                        assert answer.status == 200
                        if answer.fields.get("connection") == "close":
                            break
        except BaseException as error:  # noqa: BLE001 - the main thread shows it
            lost.append(error)

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        yield
    finally:
        over.set()
        for client in clients:
            client.join(PATIENCE_S)
    assert not lost


def replaced(server: Deployed, reason: str, times: int = 1) -> list[re.Match[str]]:
    """What the log says of so many workers, once these have gone."""
    pattern = re.compile(rf"worker (\d+) {reason}, and is replaced")
    until(lambda: len(pattern.findall(server.log)) >= times or server.ended, reason)
    found = list(pattern.finditer(server.log))[:times]
    assert len(found) == times, server.log
    for each in found:
        wait_until_gone(int(each[1]))
    return found


@pytest.mark.parametrize("pair", PAIRS)
def test_a_worker_that_has_had_its_requests_is_replaced_and_none_is_lost(
    pair: tuple[str, str], tmp_path: Path
) -> None:
    several = () if pair[0] == "process" else ("--workers", "2")
    limits = ("--max-requests", "20", "--max-requests-jitter", "5")
    with serving(tmp_path, pair, *several, *limits) as server:
        with a_stream_of_requests(server):
            found = replaced(server, r"has had (\d+) requests \(--max-requests\)", times=3)
        assert len({each[1] for each in found}) == 3
        assert all(int(each[2]) >= 20 for each in found)


@pytest.mark.parametrize("pair", PAIRS)
def test_every_request_counts_whoever_answers_it(pair: tuple[str, str], tmp_path: Path) -> None:
    """So many as may be needed, and not one more: on connections at once, and on kept ones."""
    limits = ("--max-requests", "29", "--max-requests-jitter", "1")
    with serving(tmp_path, pair, *limits) as server:
        clients = [Client(server.address) for _ in range(3)]
        for client in clients * 10:
            client.get("/")
        for client in clients:
            client.sock.close()
        (found,) = replaced(server, r"has had (\d+) requests \(--max-requests\)")
        assert int(found[2]) in (29, 30)


def test_an_old_worker_is_replaced_and_no_request_is_lost(tmp_path: Path) -> None:
    limits = ("--max-worker-age-s", "0.1")
    with serving(tmp_path, PAIRS[2], *limits) as server, a_stream_of_requests(server):
        replaced(server, r"has served for \d+ s \(--max-worker-age-s\)", times=2)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_worker_that_has_grown_is_replaced_with_all_that_it_has_forked(
    pair: tuple[str, str], tmp_path: Path
) -> None:
    with serving(tmp_path, pair, "--max-worker-rss", "150M") as server:
        with a_stream_of_requests(server):
            grown = server.get("/grow")
            (found,) = replaced(server, r"takes (\d+)M of memory \(--max-worker-rss\)")
        assert 150 < int(found[2]) < 350
        assert grown is not None
        wait_until_gone(int(grown))
        assert len(server.workers()) == 1
        assert server.log.count("and is replaced") == 1


def test_a_server_without_limits_counts_nothing() -> None:
    wear = Wear(RecyclingSettings())
    assert wear.requests is None
    assert wear.due == math.inf


def test_what_threads_and_processes_count_adds_up() -> None:
    count = RequestCount()
    answer = count.in_front(lambda request: request)

    def serve() -> None:
        for number in range(5000):
            assert answer(number) == number

    children = []
    for _ in range(3):
        child = os.fork()
        if not child:
            serve()
            os._exit(0)
        children.append(child)
    threads = [threading.Thread(target=serve) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    assert count.total == 30_000
    count.close()


def test_one_worker_at_a_time_is_replaced_and_none_while_the_last_one_leaves() -> None:
    """Each is worn out at each look; the successors are processes that only have to end."""
    made: list[tuple[Worker, subprocess.Popen[bytes]]] = []

    def new_worker(slot: Any, generation: int, others: Any) -> Worker:
        process = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"])
        heard, say = os.pipe()
        Announcement(say)()
        wear = Wear(RecyclingSettings(max_worker_age_s=1e-9))
        worker = Worker(process.pid, generation, Attention(heard), Draining(), wear, monotonic())
        made.append((worker, process))
        return worker

    def go_on() -> None:
        slots.go_on(max(worker.wear.due for worker, _ in made))

    def ends(number: int) -> None:
        worker, process = made[number]
        process.kill()
        process.wait()
        slots.died(worker, 0)

    slots = Slots([[], []], new_worker, 1.0, Census(), list)
    try:
        slots.go_on(monotonic())
        slots.listen()
        slots.go_on(monotonic())
        slots.listen()
        assert len(made) == 2
        assert slots.due == min(worker.wear.due for worker, _ in made)
        for _ in range(3):
            go_on()
            assert len(made) == 3, "one successor, until it is ready"
        slots.listen()
        go_on()
        assert len(made) == 4, "the other slot's"
        slots.listen()
        go_on()
        assert len(made) == 4, "both have a worker that leaves"
        assert monotonic() < slots.due < math.inf, "nothing to do until the next look"
        ends(0)
        go_on()
        assert len(made) == 5
    finally:
        for _, process in made:
            process.kill()
            process.wait()
        for worker, _ in made[1:]:
            slots.died(worker, 0)


def test_memory_that_cannot_be_seen_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(pid: int) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(recycling, "proportional_bytes", refused)
    monkeypatch.setattr(logger("fivefold"), "propagate", True)
    wear = Wear(RecyclingSettings(max_worker_rss="1K"))
    assert [wear.look(os.getpid(), 0.0) for _ in range(2)] == ["", ""]
    (said,) = caplog.messages
    assert said.endswith(f"worker {os.getpid()} cannot be seen: [Errno 13] Permission denied")


def test_the_memory_of_a_process_is_what_it_has_written() -> None:
    before = proportional_bytes(os.getpid())
    data = b"x" * 100_000_000
    assert 80_000_000 < proportional_bytes(os.getpid()) - before < 130_000_000
    del data


def test_the_jitter_is_a_tenth_by_default() -> None:
    def drawn(**given: Any) -> set[float]:
        return {RecyclingSettings(**given).most_requests() for _ in range(500)}

    assert drawn(max_requests=40) == {40, 41, 42, 43, 44}
    assert drawn(max_requests=40, max_requests_jitter=1) == {40, 41}
    assert drawn() == {math.inf}


def test_sizes_have_units_and_others_are_refused() -> None:
    assert [size(text) for text in ("4096", "1k", "500M", "2G", "1T")] == [
        4096,
        1024,
        500 * 1024**2,
        2 * 1024**3,
        1024**4,
    ]
    for wrong in ("", "0", "-1M", "1.5G", "500 M", "500MB", "M", "٣M"):
        with pytest.raises(SettingsError, match=r"max_worker_rss: '.*' is no size such as 500M"):
            Settings.of({"max_worker_rss": wrong})
    with pytest.raises(SettingsError, match="max_requests_jitter: it is for max_requests"):
        Settings.of({"max_requests_jitter": 10})


def test_each_service_has_limits_of_its_own() -> None:
    tables = [
        {"target": "a:app", "bind": "127.0.0.1:0", "max_requests": 5},
        {"target": "b:app", "bind": "127.0.0.1:0"},
    ]
    found = services(Settings.of({"serve": tables, "max_requests": 9, "max_worker_rss": "1G"}))
    assert [each.recycling.max_requests for each in found] == [5, 9]
    assert {each.recycling.max_worker_rss for each in found} == {"1G"}
