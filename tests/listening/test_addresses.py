"""Where a server listens: UNIX sockets and their files, inherited sockets, what goes wrong."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from fivefold import Server, Settings
from fivefold.errors import BindError, SettingsError
from fivefold.linux.systemd import listen_fds
from fivefold.listening.unix_socket import bind_unix, made, release

WRONG = {
    "fd://99999999999999999999": "no descriptor has so high a number",
    "unix:@": "names no file, as in unix:/run/site.sock",
    f"unix:/{'a' * 107}": "at most 107 bytes (unix(7)): choose a shorter one",
    "unix:/does/not/exist": "its folder does not exist: make it first",
    f"unix:{__file__}/socket": "its folder is a file",
    "http://127.0.0.1:8000": "without http://",
    "[::1:8000": "write an IPv6 address in brackets, and its port behind them",
    "[localhost]:8000": "write an IPv6 address in brackets, and its port behind them",
    f"{'a' * 64}.example:8000": "cannot be the name of a host",
    "192.0.2.1:8000": "this machine has no such address; 0.0.0.0 stands for all that it has",
}

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
        assert next(server.stderr).endswith(f" listening on http://127.0.0.1:{port}\n")
        assert status(f"http://127.0.0.1:{port}/") == "200"
        server.terminate()
        assert server.wait(30) == 0
    with handed_over([str(tmp_path), "--bind", "systemd"], pid="1") as (server, _):
        assert server.wait(30) == 1
        assert server.stderr is not None
        assert "start the service by its .socket unit" in server.stderr.read()


def test_more_sockets_than_systemd_has_handed_over() -> None:
    """No further than to the first that is not there: binding it says so."""
    said = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(10**18), "LISTEN_FDNAMES": "web"}
    last = listen_fds(said)[-1]
    assert not Path(f"/proc/self/fd/{last}").exists()
    assert said == {}


def test_inherited_descriptors(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("here")
    with handed_over([str(tmp_path), "--bind", "fd://3"], pid="1") as (server, port):
        assert server.stderr is not None
        assert next(server.stderr).endswith(f" listening on http://127.0.0.1:{port}\n")
        server.terminate()
        assert server.wait(30) == 0


def test_two_servers_that_start_at_once_do_not_take_each_others_socket(tmp_path: Path) -> None:
    """Whoever comes first is alone with the folder, so the other one finds a live socket."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)  # as if another one were starting
    with ThreadPoolExecutor(2) as pool:
        tries = [pool.submit(bind_unix, str(path), None, 5) for _ in range(2)]
        os.close(folder)
        errors = [attempt.exception() for attempt in tries]
    for attempt, error in zip(tries, errors, strict=True):
        if error is None:
            attempt.result().close()
    assert sorted(getattr(error, "errno", 0) for error in errors) == [0, errno.EADDRINUSE]


def test_a_busy_server_is_a_live_one(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as client:
        busy.bind(path)
        busy.listen(0)
        client.connect(path)  # the queue is full now: another one would wait
        with pytest.raises(BindError, match="stop it, or choose another path"):
            Server(settings(tmp_path, f"unix:{path}")).listen()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path + "2")
        with pytest.raises(BindError, match="another program uses it for datagrams"):
            Server(settings(tmp_path, f"unix:{path}2")).listen()


def test_the_file_of_a_successor_stays(tmp_path: Path) -> None:
    """Many file systems give it the inode of the one that was removed."""
    path = tmp_path / "socket"
    bind_unix(str(path), None, 5).close()
    mine = made(str(path))
    successor = bind_unix(str(path), None, 5)
    release(mine)
    assert path.exists()
    release(made(str(path)))
    assert not path.exists()
    successor.close()


def test_a_name_is_all_of_its_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = [("127.0.0.1", 0), ("::1", 0, 0, 0), ("192.0.2.1", 0), ("127.0.0.1", 0)]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", end) for end in ends]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    server = Server(settings(tmp_path, "twice.example:0", workers=2))
    server.listen()
    port = server.addresses[0].rpartition(":")[2]
    own = [f"http://127.0.0.1:{port}", f"http://[::1]:{port}"]
    assert server.addresses == own[: 1 + socket.has_ipv6]
    server.close()
    found[:] = found[2:3]
    with pytest.raises(BindError, match=r"twice.example:0: .*this machine has no such address"):
        server.listen()


def test_a_name_that_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(BindError, match="not known; name an address of this machine, such as"):
        Server(settings(tmp_path, "nowhere.invalid:8000")).listen()


def test_a_descriptor_that_would_become_ours(tmp_path: Path) -> None:
    """The number that is free gets what is bound before, and that listens."""
    free = os.dup(0)
    os.close(free)
    for first in ("127.0.0.1:0", f"unix:{tmp_path}/socket"):
        with pytest.raises(BindError, match="no socket was handed over under this number"):
            Server(Settings(target=str(tmp_path), bind=(first, f"fd://{free}"))).listen()


def test_wrong_descriptors(tmp_path: Path) -> None:
    with pytest.raises(BindError, match="no socket was handed over under this number"):
        Server(settings(tmp_path, "fd://999")).listen()
    with (tmp_path / "index.html").open() as file, pytest.raises(BindError, match="listening"):
        Server(settings(tmp_path, f"fd://{file.fileno()}")).listen()
    with socket.socket() as sock, pytest.raises(BindError, match="must have called listen"):
        Server(settings(tmp_path, f"fd://{sock.fileno()}")).listen()
    with socket.socket(type=socket.SOCK_DGRAM) as sock, pytest.raises(BindError, match="for TCP"):
        Server(settings(tmp_path, f"fd://{sock.fileno()}")).listen()


@pytest.mark.parametrize("text", WRONG)
def test_wrong_addresses(text: str, tmp_path: Path) -> None:
    """One line, which says what to do."""
    with pytest.raises((SettingsError, BindError)) as caught:
        Server(settings(tmp_path, text)).listen()
    assert WRONG[text] in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["0999", "rw", "", "01777"])
def test_wrong_modes(text: str) -> None:
    with pytest.raises(SettingsError, match="is not a mode such as 0660"):
        Settings(unix_mode=text)
