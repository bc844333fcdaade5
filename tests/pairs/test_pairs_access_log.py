"""The access log in every pair: exactly what was asked, whatever happens to the file meanwhile."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from fivefold import Server, Settings
from fivefold.iomodels import ENGINES
from fivefold.serving import MODELS
from support.client import TIMEOUT_S, Client
from support.every_pair import pairs
from support.servers.embedded import address_of

Pair = dict[str, str]

AFTERWARDS = 20
"""Requests after the new file is there."""


def logging_to(log: Path, site: Path, **settings: Any) -> Server:
    values = {
        "target": str(site),
        "bind": "127.0.0.1:0",
        "grace_s": 10.0,
        "access_log": str(log),
        "access_log_format": "{method} {target} {status} {bytes} {end}",
        **settings,
    }
    return Server(Settings.of(values))


def curl(server: Server, *paths: str) -> list[str]:
    """Ask for all, on one connection; what curl says of each in the words of the log."""
    url = server.addresses[0]
    reported = subprocess.run(
        [
            "curl",
            "-s",
            "-m",
            "30",
            "-w",
            "%{stderr}%{method} %{url} %{http_code} %{size_download}\n",
        ]
        + [part for path in paths for part in ("-o", "/dev/null", url + path)],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    return [f"{line} complete" for line in reported.replace(url, "").splitlines()]


@pairs()
def test_it_has_exactly_the_requests_and_rotation_loses_none(
    pair: Pair, site: Path, tmp_path: Path
) -> None:
    log, old = tmp_path / "access.log", tmp_path / "access.log.1"
    with logging_to(log, site, **pair) as server:
        reported = curl(server, "/1k.bin", "/64k+1.bin", "/1k.bin", "/none", "/sub/")
        with Client(address_of(server)) as client:
            asked = rotated_meanwhile(client, log, old, server.pid)
    before, after = old.read_text().splitlines(), log.read_text().splitlines()
    expected = [f"GET /1k.bin?{number} 200 1024 complete" for number in range(asked)]
    # A line comes after its answer, so two connections may have theirs in either order.
    lines = before + after
    assert [line for line in lines if "?" not in line] == reported
    assert [line for line in lines if "?" in line] == expected
    assert len(after) >= AFTERWARDS


def rotated_meanwhile(client: Client, log: Path, old: Path, pid: int) -> int:
    """Ask while the file is renamed, and until the new one is there, and some more."""
    give_up_at = monotonic() + TIMEOUT_S
    asked = 0
    left = AFTERWARDS
    while left:
        if asked == AFTERWARDS:
            log.rename(old)
            os.kill(pid, signal.SIGUSR1)
        assert client.get(f"/1k.bin?{asked}").status == 200
        asked += 1
        if asked > AFTERWARDS and log.exists():
            left -= 1
        assert monotonic() < give_up_at, "the log is not opened anew"
    return asked


@pairs()
def test_a_client_that_leaves_is_marked_and_its_bytes_are_those_sent(
    pair: Pair, site: Path, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    with logging_to(log, site, **pair) as server:
        with Client(address_of(server), receive_buffer=4096) as client:
            client.send(b"GET /50m.bin HTTP/1.1\r\nHost: t\r\n\r\n")
            client.exactly(100_000)
        with Client(address_of(server)) as client:
            assert client.get("/1.bin").status == 200
    lines = sorted(log.read_text().splitlines())
    assert lines[0] == "GET /1.bin 200 1 complete"
    sent = re.fullmatch(r"GET /50m\.bin 200 (\d+) aborted", lines[1])
    assert sent
    assert 99_000 < int(sent[1]) < 52_428_800
    assert len(lines) == 2


def test_lines_leave_while_nothing_else_happens(site: Path, tmp_path: Path) -> None:
    """In all pairs at once: it takes a second. A FIFO, because one can wait for it."""
    with ExitStack() as stack:
        ends = []
        for serving in MODELS:
            for engine in ENGINES:
                if engine.available() is None:
                    fifo = tmp_path / f"{serving}-{engine.engine}"
                    os.mkfifo(fifo)
                    end = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
                    stack.callback(os.close, end)
                    ends.append((end, fifo.name))
                    server = logging_to(fifo, site, serving=serving, io=engine.engine)
                    address = address_of(stack.enter_context(server))
                    client = stack.enter_context(Client(address))  # it stays, idle
                    assert client.get("/1.bin").status == 200
        for end, name in ends:
            assert select.select([end], [], [], TIMEOUT_S)[0], f"{name} keeps its line"
            assert os.read(end, 4096) == b"GET /1.bin 200 1 complete\n"


@pytest.mark.parametrize(
    "settings",
    [
        {"serving": "async", "workers": 4},
        {"serving": "thread", "workers": 4},
        {"serving": "process"},
        {"serving": "process", "fresh": True},
    ],
    ids=str,
)
def test_many_processes_tear_no_line_of_one_file(
    settings: dict[str, Any], site: Path, tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    clients, each = 8, 10 if "fresh" in settings else 150
    with logging_to(log, site, access_log_format="combined", **settings) as server:
        address = address_of(server)

        def load(name: int) -> None:
            left = [f"{name}.{number}." + "x" * 200 for number in range(each)]
            while left:
                with Client(address) as client, suppress(EOFError, ConnectionError):
                    while left:  # until it is answered: a worker that leaves closes idle ones
                        assert client.get("/1.bin", User_Agent=left[-1]).status == 200
                        left.pop()

        threads = [threading.Thread(target=load, args=(name,)) for name in range(clients)]
        for thread in threads:
            thread.start()
        for number, thread in enumerate(threads):
            if number == clients // 2:
                os.kill(server.pid, signal.SIGHUP)  # the workers are replaced meanwhile
            thread.join()
    form = r'127\.0\.0\.1 - - \[[^]]+\] "GET /1\.bin HTTP/1\.1" 200 1 "-" "([0-9.]+)x{200}"'
    names = [re.fullmatch(form, line) for line in log.read_text().splitlines()]
    assert all(names)
    assert len({match[1] for match in names if match}) == len(names) == clients * each
