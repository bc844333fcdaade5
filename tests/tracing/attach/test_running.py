"""Which servers of a user run: none, the only one, and several, each by its number."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fivefold import Server, Settings
from fivefold.cli import main
from fivefold.errors import TraceFailed
from fivefold.tracing.attach import running
from fivefold.tracing.control import rendezvous


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which this test looks: others' servers run on this machine, too."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for module in (running, rendezvous):
        monkeypatch.setattr(module, "folders", lambda *_: [tmp_path / "fivefold"])
    (tmp_path / "site").mkdir()
    return tmp_path


def served(runtime: Path) -> Server:
    return Server(Settings(target=str(runtime / "site"), bind=("127.0.0.1:0",)))


def test_without_a_server_it_says_how_to_start_one(runtime: Path) -> None:
    with pytest.raises(TraceFailed, match="no server of yours runs here: start one with"):
        running.only_server()


def test_the_only_server_need_not_be_named(runtime: Path) -> None:
    with served(runtime) as server:
        assert running.only_server() == server.pid
        shown = CliRunner().invoke(main, ["stacks"])
        assert shown.exit_code == 0
        assert f"started by {server.pid}" in shown.stdout


def test_of_several_each_is_named_with_what_it_serves(runtime: Path) -> None:
    with served(runtime) as one, served(runtime) as other:
        with pytest.raises(TraceFailed, match="2 servers run here, name the PID of one") as several:
            running.only_server()
        for server in (one, other):
            assert f"{server.pid} (fivefold: supervisor [" in str(several.value)
        assert CliRunner().invoke(main, ["top", "--once"]).exit_code == 1


def test_a_socket_that_was_left_behind_is_no_server(runtime: Path) -> None:
    (runtime / "fivefold").mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(runtime / "fivefold" / "1.sock"))
    (runtime / "fivefold" / "x.sock").touch()
    assert running.server_pids() == []


def test_a_server_of_another_pid_namespace_with_that_number_is_not_taken_for_the_process(
    runtime: Path,
) -> None:
    """They share the folder: the socket is named after a process here, and is not its own."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        sock, _ = rendezvous.bound(process.pid)
        with sock:
            assert running.server_pids() == []
            with pytest.raises(TraceFailed, match="has a control socket on which it does not"):
                rendezvous.connected(process.pid)
        process.kill()
