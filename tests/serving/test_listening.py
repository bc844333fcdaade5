"""Where a server listens: UNIX sockets and their files, inherited sockets, what goes wrong."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fivefold import Server, Settings
from fivefold.errors import BindError, SettingsError

COMMAND = (sys.executable, "-m", "fivefold", "serve")

CURL = ("curl", "-sS", "-m", "30", "-w", "%{http_code}", "-o", "/dev/null")


def status(*words: str) -> str:
    return subprocess.run([*CURL, *words], check=True, capture_output=True, text=True).stdout


def settings(folder: Path, bind: str, **more: object) -> Settings:
    (folder / "index.html").write_text("here")
    return Settings.of({"target": str(folder), "bind": bind, **more})


def test_the_file_of_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with Server(settings(tmp_path, f"unix:{path}", unix_mode="0640")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert status("--unix-socket", str(path), "http://t/") == "200"
        with pytest.raises(BindError, match="another program listens there"):
            Server(settings(tmp_path, f"unix:{path}")).listen()
        assert status("--unix-socket", str(path), "http://t/") == "200"
    assert not path.exists()


def test_what_a_killed_server_has_left_is_replaced_and_others_files_are_not(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with Server(settings(tmp_path, f"unix:{path}")):
        assert status("--unix-socket", str(path), "http://t/") == "200"
        path.unlink()
        path.write_text("somebody else's")
    assert path.read_text() == "somebody else's"
    with pytest.raises(BindError, match="something else than a socket"):
        Server(settings(tmp_path, f"unix:{path}")).listen()
    assert path.exists()


def test_abstract_names_and_several_workers(tmp_path: Path) -> None:
    name = f"@fivefold-{os.getpid()}"
    with Server(settings(tmp_path, f"unix:{name}", workers=2)) as server:
        assert server.addresses == [f"unix:{name}"]
        assert status("--abstract-unix-socket", name[1:], "http://t/") == "200"


LAUNCHER = """
import os, sys
number, pid, *command = sys.argv[1:]
os.dup2(int(number), 3)
os.environ |= {"LISTEN_PID": pid or str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(command[0], command)
"""


@contextmanager
def handed_over(arguments: list[str], *, pid: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server that finds a listening socket as descriptor 3, as systemd would start it."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        # The launcher becomes the server, so the process id is known before.
        with subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(sock.fileno()), pid, *COMMAND, *arguments],
            pass_fds=[sock.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        ) as server:
            yield server, sock.getsockname()[1]


def test_sockets_of_systemd(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("here")
    with handed_over([str(tmp_path), "--bind", "systemd"], pid="") as (server, port):
        assert server.stderr is not None
        assert next(server.stderr) == f"listening on http://127.0.0.1:{port}\n"
        assert status(f"http://127.0.0.1:{port}/") == "200"
        server.terminate()
        assert server.wait(30) == 0
    with handed_over([str(tmp_path), "--bind", "systemd"], pid="1") as (server, _):
        assert server.wait(30) == 1
        assert server.stderr is not None
        assert "start the service by its .socket unit" in server.stderr.read()


def test_inherited_descriptors(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("here")
    with handed_over([str(tmp_path), "--bind", "fd://3"], pid="1") as (server, port):
        assert server.stderr is not None
        assert next(server.stderr) == f"listening on http://127.0.0.1:{port}\n"
        server.terminate()
        assert server.wait(30) == 0


def test_wrong_descriptors(tmp_path: Path) -> None:
    with pytest.raises(BindError, match="no socket was handed over under this number"):
        Server(settings(tmp_path, "fd://999")).listen()
    with (tmp_path / "index.html").open() as file, pytest.raises(BindError, match="listening"):
        Server(settings(tmp_path, f"fd://{file.fileno()}")).listen()
    with socket.socket() as sock, pytest.raises(BindError, match="must have called listen"):
        Server(settings(tmp_path, f"fd://{sock.fileno()}")).listen()


@pytest.mark.parametrize("text", ["0999", "rw", "", "01777"])
def test_wrong_modes(text: str) -> None:
    with pytest.raises(SettingsError, match="is not a mode such as 0660"):
        Settings(unix_mode=text)
