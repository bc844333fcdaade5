"""What systemd and we tell each other, with a test in its place."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.linux import systemd


def environment(**changed: str) -> dict[str, str]:
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "web", "PATH": "/bin", **changed}


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"LISTEN_FDS": ""},
        {"LISTEN_FDS": "two"},
        {"LISTEN_FDS": "-1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": ""},
    ],
    ids=str,
)
def test_what_is_not_for_us_is_left_and_forgotten(variables: dict[str, str]) -> None:
    """Our parent's sockets are its; what we start must not take them for its own either."""
    said = environment(**variables)
    assert systemd.listen_fds(said) == []
    assert said == {"PATH": "/bin"}


def test_one_that_is_not_open_is_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as first:
        low, high = sorted((os.dup(first.fileno()), os.dup(first.fileno())))
        os.set_inheritable(low, True)
        os.close(high)
        monkeypatch.setattr(systemd, "FIRST_FD", low)
        found = systemd.listen_fds(environment(LISTEN_FDS=str(high - low + 5)))
        assert found[0] == low
        assert not os.get_inheritable(low)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(found[-1])  # the code that binds it says so
        os.close(low)


@pytest.fixture(params=["file", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        if request.param == "abstract":
            sock.bind("\0" + name)
            name = "@" + name
        else:
            sock.bind(name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        sock.setblocking(False)
        yield sock


def test_the_manager_hears_a_state(manager: socket.socket) -> None:
    systemd.notify("READY=1")
    assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, math.inf),
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": "1"}, math.inf),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": ""}, math.inf),
        ({"WATCHDOG_USEC": "0"}, math.inf),
        ({"WATCHDOG_USEC": "-1"}, math.inf),
        ({"WATCHDOG_USEC": "soon"}, math.inf),
        ({"WATCHDOG_USEC": "18446744073709551615"}, (2**64 - 1) / 1e6),
    ],
    ids=str,
)
def test_the_manager_waits_for_us_or_for_another(variables: dict[str, str], seconds: float) -> None:
    assert systemd.watchdog_s(variables) == seconds
    if "WATCHDOG_PID" not in variables:
        assert systemd.watchdog_s({**variables, "WATCHDOG_PID": str(os.getpid())}) == seconds


def test_the_watchdog_follows_to_a_child_only_from_its_parent() -> None:
    for watched, then in ((os.getppid(), os.getpid()), (-1, -1)):
        environment = {"WATCHDOG_PID": str(watched)}
        systemd.take_over_watchdog(environment)
        assert environment == {"WATCHDOG_PID": str(then)}


def test_a_manager_that_reads_nothing_is_not_waited_for(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "PATIENCE_S", 0.01)
    held = int(Path("/proc/sys/net/unix/max_dgram_qlen").read_text()) + 1
    for _ in range(held + 2):
        systemd.notify("STATUS=busy")
    got = 0
    while True:
        try:
            assert manager.recv(100) == b"STATUS=busy"
        except BlockingIOError:
            break
        got += 1
    assert 0 < got <= held


@pytest.mark.parametrize("name", ["", "relative", "/nowhere/at/all", "@nobody", "/" + "x" * 200])
def test_without_a_manager_nothing_is_raised_and_nothing_stays_open(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    before = os.listdir("/proc/self/fd")
    systemd.notify("READY=1")
    assert len(os.listdir("/proc/self/fd")) == len(before)
