"""Signals that are meant for the supervisor, and are sent to the whole tree: by a terminal that is
closed, by `kill -HUP -GROUP`, by `pkill -HUP fivefold`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support.client import Client
from support.process_tree import children_of
from support.servers.deployed import CRASHES, deployed, until

MEANT_FOR_ONE = (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


@pytest.mark.parametrize("serving", MODELS)
def test_they_end_no_other_process_and_no_connection(serving: str, tmp_path: Path) -> None:
    (tmp_path / "crashes.py").write_text(CRASHES)
    with (
        deployed(tmp_path, "crashes:app", "--serving", serving) as server,
        Client(server.address) as client,
    ):
        served_by = client.get("/").body
        tree = {pid for child in children_of(server.process.pid) for pid in below(child)}
        assert int(served_by) in tree
        for number in MEANT_FOR_ONE:
            for pid in tree:
                os.kill(pid, number)
            until(lambda: not any(map(pending, tree)), f"{number} has been taken")
        assert client.get("/").body == served_by
        assert tree <= {pid for child in children_of(server.process.pid) for pid in below(child)}
        assert "was killed" not in server.log
        assert server.stop() == 0


def below(pid: int) -> set[int]:
    """And itself."""
    return {pid}.union(*map(below, children_of(pid)))


def pending(pid: int) -> bool:
    """Whether one of these signals has been sent to it and not yet taken (proc(5))."""
    lines = dict(
        line.split(":\t")
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if ":\t" in line
    )
    waiting = int(lines["ShdPnd"], 16)
    return any(waiting & 1 << number - 1 for number in MEANT_FOR_ONE)
