"""SIGUSR2: a new server on the same sockets, next to the old one; either may end."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from fivefold.processes.pid_file import PidFile
from fivefold.processes.supervision.upgrade import Upgrade
from fivefold.serving import MODELS
from support.client import Client
from support.process_tree import is_alive
from support.servers.deployed import PATIENCE_S, Deployed, deployed, until

APPLICATION = """
import os

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]
"""


class Upgraded:
    """A server, and those that have replaced it: each is a child of the one before."""

    def __init__(self, server: Deployed) -> None:
        self.server = server
        self.pids = [server.process.pid]

    def upgrade(self) -> int:
        """Start a new one; its process id."""

        def serving() -> list[str]:
            return re.findall(r"supervisor (\d+) serves as well", self.server.log)

        before = len(serving())
        os.kill(self.pids[-1], signal.SIGUSR2)
        until(lambda: len(serving()) > before, "a new server")
        pid = int(serving()[-1])
        self.pids.append(pid)
        return pid

    def try_one(self) -> None:
        """Start a new one, and end it again."""
        before = self.server.log.count("and this one goes on")
        self.stop(self.upgrade())
        # Another one is refused until the old server has heard of the end.
        until(lambda: self.server.log.count("and this one goes on") > before, "its parent's word")

    def stop(self, pid: int) -> None:
        """Until it has ended, and so has all that it waits for."""
        os.kill(pid, signal.SIGTERM)
        until(lambda: not is_alive(pid), "an end")

    def close(self) -> None:
        for pid in self.pids[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def upgraded(
    folder: Path,
    *arguments: str,
    fds: tuple[int, ...] = (),
    bind: str = "127.0.0.1:0",
    application: str = APPLICATION,
) -> Iterator[Upgraded]:
    (folder / "shop.py").write_text(application)
    with deployed(folder, "shop:app", *arguments, fds=fds, bind=bind) as server:
        servers = Upgraded(server)
        try:
            server.said("serving")
            yield servers
        finally:
            servers.close()


class Clients:
    """Some keep their connections, some make a new one for each request."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._over = threading.Event()
        self.answers = 0
        self.losses: list[str] = []
        self._threads = [
            threading.Thread(target=self._run, args=(keeps,)) for keeps in (True, False, True)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, keeps: bool) -> None:  # noqa: FBT001
        while not self._over.is_set():
            try:
                with Client(self._address) as client:
                    self._ask(client, keeps=keeps)
            except (OSError, EOFError) as error:
                self.losses.append(repr(error))

    def _ask(self, client: Client, *, keeps: bool) -> None:
        while not self._over.wait(0.005):
            answer = client.get("/")
            assert answer.status == 200
            self.answers += 1
            if not keeps or answer.fields.get("connection") == "close":
                return


@pytest.mark.parametrize("serving", MODELS)
def test_no_request_is_lost_when_it_is_taken_back_and_when_it_is_done(
    serving: str, tmp_path: Path
) -> None:
    with upgraded(tmp_path, "--serving", serving) as servers:
        with Clients(servers.server.address) as clients:
            servers.try_one()
            servers.pids.pop()
            servers.upgrade()
            assert servers.server.stop() == 0
            before = clients.answers
            until(lambda: clients.answers > before + 20, "answers of the new server")
        assert (clients.losses, clients.answers > 0) == ([], True)
        servers.stop(servers.pids[-1])


def test_a_new_server_that_fails_changes_nothing(tmp_path: Path) -> None:
    with upgraded(tmp_path, "--config", "settings.toml") as servers:
        server = servers.server
        (tmp_path / "settings.toml").write_text("workers = 0")
        server.signal(signal.SIGUSR2)
        server.said("before it served, and this one goes on")
        assert server.get("/") == b"fine"
        (tmp_path / "settings.toml").write_text("workers = 2")
        new = servers.upgrade()
        server.signal(signal.SIGUSR2)
        server.said(f"SIGUSR2 is ignored: supervisor {new} was started already")
        servers.stop(new)
        assert server.get("/") == b"fine"
        assert server.stop() == 0


@pytest.fixture(autouse=True)
def settings(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("workers = 1")


def reaches(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(os.fspath(path)) == 0


def test_the_file_of_a_unix_socket_stays_as_long_as_a_server_listens(tmp_path: Path) -> None:
    path, status = tmp_path / "s", tmp_path / "status"
    with upgraded(tmp_path, "--bind", f"unix:{path}", "--status", f"unix:{status}") as servers:
        servers.try_one()
        assert reaches(path)
        assert reaches(status)
        servers.pids.pop()
        servers.upgrade()
        assert servers.server.stop() == 0
        assert reaches(path)
        assert reaches(status)
        servers.stop(servers.pids[-1])
        assert not path.exists()
        assert not status.exists()


def test_queues_are_taken_over_by_more_workers_and_by_fewer(tmp_path: Path) -> None:
    """Each socket of the kernel is still listened on: its clients would be lost."""
    (tmp_path / "settings.toml").write_text("workers = 2")
    chosen = ("--serving", "async", "--io", "epoll", "--config", "settings.toml")
    with upgraded(tmp_path, *chosen) as servers:
        port = servers.server.address[1]
        first = queues(port)
        assert len(first) == 2
        for workers, number in ((3, 3), (1, 3)):
            (tmp_path / "settings.toml").write_text(f"workers = {workers}")
            old = servers.pids[-1]
            servers.upgrade()
            servers.stop(old)
            assert len(queues(port)) == number
            assert first <= queues(port)
            for _ in range(16):
                assert servers.server.get("/") == b"fine"
        servers.stop(servers.pids[-1])


def test_addresses_come_and_go_and_ports_stay(tmp_path: Path) -> None:
    """Two of which the system chose the ports, and UNIX sockets of which each server has one."""
    settings = tmp_path / "settings.toml"

    def name(*paths: str) -> None:
        binds = [*["127.0.0.1:0"] * 2, *(f"unix:{path}" for path in paths)]
        settings.write_text(f"bind = {binds}\nserving = 'async'")

    def ports() -> list[str]:
        """Of the last server, as many as it has."""
        return re.findall(r"listening on http://127\.0\.0\.1:(\d+)", servers.server.log)[-2:]

    old, new = tmp_path / "old", tmp_path / "new"
    name("old")
    with upgraded(tmp_path, "--config", "settings.toml", bind="") as servers:
        first = ports()
        name("new")
        servers.try_one()
        servers.pids.pop()
        assert (ports(), reaches(old), new.exists()) == (first, True, False)
        servers.upgrade()
        assert servers.server.stop() == 0
        assert (ports(), old.exists(), reaches(new)) == (first, False, True)
        servers.upgrade()
        for pid in servers.pids[1:]:
            os.kill(pid, signal.SIGINT)  # as Ctrl-C does
        until(lambda: not any(map(is_alive, servers.pids[1:])), "both ends")
        assert not new.exists()


def test_a_stop_that_comes_with_the_upgrade_ends_both(tmp_path: Path) -> None:
    """The new one is told before it has become another program."""
    with upgraded(tmp_path) as servers:
        server = servers.server
        for number in (signal.SIGSTOP, signal.SIGUSR2, signal.SIGTERM, signal.SIGCONT):
            server.signal(number)
        assert server.process.wait(PATIENCE_S) == 0
        [new] = re.findall(r"supervisor (\d+) starts, to replace", server.log)
        servers.pids.append(int(new))
        until(lambda: not is_alive(int(new)), "its end")
        assert "goes on" not in server.log


FORKS_AT_IMPORT = f"""
import os, time
child = os.fork()
if not child:
    time.sleep({PATIENCE_S})
    os._exit(0)
with open("forked", "a") as file:
    print(child, file=file)
{APPLICATION}
"""


def test_what_an_application_forks_while_it_is_looked_at_does_not_listen(tmp_path: Path) -> None:
    with upgraded(tmp_path, application=FORKS_AT_IMPORT) as servers:
        try:
            new = servers.upgrade()
            assert servers.server.stop() == 0
            servers.stop(new)
            assert not queues(servers.server.address[1])
        finally:
            for pid in (tmp_path / "forked").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)


def queues(port: int) -> set[str]:
    """Inodes of the sockets that listen there (proc_net_tcp(5): state 0A)."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}


def test_systemd_watches_the_new_one_when_the_old_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(os.fspath(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", os.fspath(tmp_path / "notify"))
        with upgraded(tmp_path) as servers:
            new = servers.upgrade()
            assert servers.server.stop() == 0
            servers.stop(new)
        words = [systemd.recv(100) for _ in range(4)]
        assert words == [b"READY=1", b"READY=1", b"MAINPID=%d" % new, b"STOPPING=1"]


TELLS_WHOM_SYSTEMD_WATCHES = (
    "import os; print(os.environ['WATCHDOG_PID'] == str(os.getpid()), file=open('heard', 'w'))"
)


def test_systemd_waits_for_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The variable has a process id, and would else be another's."""
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-c", TELLS_WHOM_SYSTEMD_WATCHES])
    upgrade = Upgrade(os.fspath(tmp_path), lambda *_: None, PidFile(None))

    def has_ended() -> bool:
        upgrade.reap()
        return "before it served" in caplog.text

    upgrade.begin(serving=True)
    until(has_ended, "its end")
    assert (tmp_path / "heard").read_text() == "True\n"


def test_a_socket_that_was_handed_over_keeps_its_number(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        number = listener.fileno()
        with upgraded(tmp_path, "--bind", f"fd://{number}", fds=(number,)) as servers:
            new = servers.upgrade()
            assert servers.server.stop() == 0
            assert servers.server.get("/") == b"fine"
            servers.stop(new)
