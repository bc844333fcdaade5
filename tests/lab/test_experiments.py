"""What the experiments find in pairs that are known to differ, and that nothing outlives a lab."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.error
from contextlib import closing
from pathlib import Path

import pytest

from fivefold.compare.measure.servers import POLL_S
from fivefold.errors import SettingsError
from fivefold.lab import experiments
from fivefold.lab.experiments import EXPERIMENTS
from fivefold.lab.side import Side
from support.process_tree import descendants_of, wait_until_gone
from support.servers.laboratory import PATIENCE_S, asked, lab


def made(pair: str, word: str, folder: Path) -> dict[str, str]:
    with closing(Side(folder / "site")) as side:
        side.take(pair)
        return dict(EXPERIMENTS[word].act(side))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiments, "SECONDS", 1.0)


@pytest.mark.parametrize(
    ("pair", "waits"),
    [("async+blocking", True), ("thread+blocking", False), ("async+multiplexing:epoll", False)],
)
def test_who_waits_with_a_slow_client(pair: str, waits: bool, tmp_path: Path) -> None:  # noqa: FBT001
    found = made(pair, "slow", tmp_path)
    answers = int(found["others were answered"].split()[0])
    assert answers == 0 if waits else answers > 0


@pytest.mark.parametrize(
    ("pair", "served", "harmed"),
    [
        ("process+blocking", 16, "0 of 15"),
        ("thread+multiplexing", 16, "15 of 15"),
        ("async+blocking", 1, "0 of 0"),
    ],
)
def test_whom_a_crash_takes_along(pair: str, served: int, harmed: str, tmp_path: Path) -> None:
    """Who waits for the one client that is served does not lose what it never had."""
    found = made(pair, "crash", tmp_path)
    assert found["connections that were served"] == f"{served} of 16"
    assert found["other connections that it took along"] == harmed
    assert found["processes killed"] == "1"
    assert found["a new client was answered"].endswith(" s later")


def test_a_server_that_is_gone_is_asked_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def refused(*_: object) -> None:
        tries.append(1)
        raise ConnectionRefusedError

    monkeypatch.setattr(experiments, "BACK_S", 0.2)
    monkeypatch.setattr(experiments, "KeptClient", refused)
    with closing(Side(tmp_path / "site")) as side:
        side.take("thread+blocking")
        assert experiments.answers_after(side.server, time.monotonic()) is None
    assert 0 < len(tries) <= 0.2 / POLL_S + 1, "it spins"


def test_a_hundred_clients_have_a_thread_each(tmp_path: Path) -> None:
    found = made("thread+blocking", "hundred", tmp_path)
    assert found["clients that were answered"] == "100 of 100"
    assert int(found["processes and threads"].split()[-1]) >= 100


def test_a_cold_file_is_taken_whole(tmp_path: Path) -> None:
    found = made("async+aio:posix", "cold", tmp_path)
    assert found["32 MiB from the disk took"].endswith(" s")


def test_a_wrong_pair_changes_nothing(tmp_path: Path) -> None:
    with closing(Side(tmp_path / "site")) as side:
        side.take("thread+blocking")
        before = side.server.pid
        for wrong in ("thread", "fibre+blocking", "thread+telepathy"):
            with pytest.raises(SettingsError):
                side.take(wrong)
        assert (side.server.pid, side.pair) == (before, "thread+blocking")
        side.server.check()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_everything_ends_with_the_lab(end: signal.Signals) -> None:
    with lab() as (process, address):
        sides = json.loads(asked(address, "state"))
        servers = descendants_of(process.pid)
        assert len(servers) >= 2 * 3  # supervisor, worker, status of each
        os.kill(process.pid, end)
        assert process.wait(PATIENCE_S) == (0 if end != signal.SIGKILL else -end)
        for pid in servers:
            wait_until_gone(pid)
    for side in sides:
        host, _, port = side["site"].removeprefix("http://").partition(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))


def test_who_does_not_know_the_token_gets_nothing() -> None:
    with lab() as (process, address):
        origin = address.rsplit("/", 2)[0]
        assert origin.startswith("http://127.0.0.1:")
        servers = descendants_of(process.pid)
        for path in ("/", "/state", "//state", "/wrong/", "/wrong/state", f"/{'é' * 3}/state"):
            for post in (False, True):
                with pytest.raises((urllib.error.HTTPError, UnicodeError)):
                    asked(origin, path, post=post)
        with pytest.raises(urllib.error.HTTPError, match="409"):
            asked(address, "pair?side=0&pair=thread", post=True)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            asked(address, "pair?side=2&pair=thread%2Bblocking", post=True)
        assert descendants_of(process.pid) == servers
