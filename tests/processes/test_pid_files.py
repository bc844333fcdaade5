"""`--pid-file`: whose it is, when it is there, and what of others it never touches."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from fivefold import Server, Settings
from fivefold.errors import SettingsError
from fivefold.processes.pid_file import PidFile
from fivefold.serving import MODELS
from support.nobody import as_nobody, only_root
from support.process_tree import is_alive
from support.servers.deployed import Deployed, deployed, until

APPLICATION = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]
"""

LOCKS = """
import fcntl, sys
file = open(sys.argv[1], sys.argv[2])
fcntl.lockf(file, fcntl.LOCK_SH if sys.argv[2] == "r" else fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APPLICATION)
    return tmp_path


def number_in(path: Path) -> int:
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("serving", MODELS)
def test_it_is_there_while_the_server_is(serving: str, folder: Path) -> None:
    path = folder / "server.pid"
    path.write_text(f"{os.getpid()}\n")  # left behind; a foreign process has the number now
    arguments = ("shop:app", "--serving", serving, "--pid-file", "server.pid")
    with deployed(folder, *arguments) as server:
        server.answers()
        assert path.read_text() == f"{server.process.pid}\n"
        assert path.stat().st_mode & 0o777 == 0o644
        with deployed(folder, *arguments, "--bind", "127.0.0.1:0") as second:
            until(lambda: second.ended, "its end")
            assert f"a server that runs, process {server.process.pid}" in second.log
        assert [file.name for file in folder.glob("*.pid*")] == ["server.pid"]
        assert server.stop() == 0
    assert list(folder.glob("*.pid*")) + list(folder.glob(".*pid*")) == []


def test_one_that_was_killed_leaves_one_that_is_replaced(folder: Path) -> None:
    path = folder / "server.pid"
    arguments = ("shop:app", "--pid-file", os.fspath(path))
    with deployed(folder, *arguments) as server:
        server.answers()
        server.process.kill()
        server.process.wait()
        assert number_in(path) == server.process.pid
    with deployed(folder, *arguments) as server:
        server.answers()
        assert number_in(path) == server.process.pid


def serving_again(server: Deployed, times: int = 1) -> int:
    server.signal(signal.SIGUSR2)
    server.said("serves as well", times)
    path, aside = server.folder / "server.pid", server.folder / "server.pid.oldbin"
    assert number_in(aside) == server.process.pid
    return number_in(path)


def test_while_another_one_replaces_it_its_name_is_oldbin(folder: Path) -> None:
    path, aside = folder / "server.pid", folder / "server.pid.oldbin"
    with deployed(folder, "shop:app", "--pid-file", "server.pid") as server:
        server.answers()
        aside.symlink_to("shop.py")  # whoever has put it there
        server.signal(signal.SIGUSR2)
        server.said("no new supervisor can be started")
        assert number_in(path) == server.process.pid
        aside.unlink()
        killed = serving_again(server)
        os.kill(killed, signal.SIGKILL)
        until(lambda: number_in(path) == server.process.pid, "its own name")
        assert not aside.exists()
        second = serving_again(server, times=2)
        try:
            assert second not in (0, server.process.pid)
            assert server.stop() == 0
            assert number_in(path) == second
            assert not aside.exists()
        finally:
            os.kill(second, signal.SIGTERM)
            until(lambda: not is_alive(second), "an end")
    assert not path.exists()


def to_link(path: Path) -> None:
    path.symlink_to(path.with_name("shop.py"))


FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "link": (to_link, "symbolic link"),
    "folder": (lambda path: path.mkdir(), "directory"),
    "fifo": (os.mkfifo, "another kind"),
    "text": (lambda path: path.write_text("import os\n"), "another kind"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_is_no_such_file_stays(kind: str, folder: Path) -> None:
    make, why = FOREIGN[kind]
    path = folder / "server.pid"
    make(path)
    before = path.lstat()
    server = Server(Settings.of({"target": ".", "bind": ("127.0.0.1:0",), "pid_file": path}))
    with pytest.raises(SettingsError, match=f"pid_file: .*{why}"):
        server.listen()
    assert server.addresses == []
    assert os.path.samestat(before, path.lstat())
    assert (folder / "shop.py").read_text() == APPLICATION


def test_a_folder_that_is_not_there_is_said_before_anything_listens(folder: Path) -> None:
    server = Server(Settings.of({"target": ".", "pid_file": folder / "away" / "server.pid"}))
    with pytest.raises(SettingsError, match=r"no file can be made in .*away: there is no such"):
        server.listen()
    assert server.addresses == []


@only_root
def test_a_folder_that_may_not_be_written_is_said(folder: Path) -> None:
    said = as_nobody(PidFile("/etc/server.pid").check)
    assert said.startswith("SettingsError: pid_file: no file can be made in /etc")


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_lock_for_reading_keeps_no_server_away(mode: str, folder: Path) -> None:
    path = folder / "server.pid"
    path.write_text("1\n")
    locker = subprocess.Popen(
        [sys.executable, "-c", LOCKS, path, mode], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with locker:
        assert locker.stdout is not None
        locker.stdout.readline()
        with ExitStack() as held:
            if mode == "r":
                held.enter_context(PidFile(os.fspath(path)).held())
                assert number_in(path) == os.getpid()
            else:
                with pytest.raises(SettingsError, match="a server that runs, process 1"):
                    held.enter_context(PidFile(os.fspath(path)).held())
        locker.kill()


def test_a_file_that_is_not_ours_any_more_stays(folder: Path) -> None:
    path = folder / "server.pid"
    with PidFile(os.fspath(path)).held():
        path.unlink()
        path.write_text("1\n")
    assert path.read_text() == "1\n"


def test_it_is_for_the_whole_server(folder: Path) -> None:
    table = {"target": ".", "bind": "127.0.0.1:0", "pid_file": "server.pid"}
    with pytest.raises(SettingsError, match="pid_file: it is for the whole server"):
        Server(Settings(serve=(table,)))


def test_a_block_has_one_too(folder: Path) -> None:
    path = folder / "server.pid"
    settings = Settings.of({"target": folder, "bind": ("127.0.0.1:0",), "pid_file": path})
    with Server(settings) as server:
        assert number_in(path) == server.pid
        with path.open() as file, pytest.raises(BlockingIOError):
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    assert not path.exists()


def test_one_that_cannot_be_removed_hides_no_other_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = folder / "server.pid"

    def refuse(self: Path, **_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    with pytest.raises(LookupError, match="of the server"), PidFile(os.fspath(path)).held():
        monkeypatch.setattr(Path, "unlink", refuse)
        raise LookupError("of the server")
    assert f"{path} stays: Operation not permitted" in caplog.text
