"""A forker dies: what is left of its worker serves until the successor does, and no longer."""

from __future__ import annotations

import os
import select
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from fivefold.iomodels import ENGINES
from fivefold.processes.supervision.succession import Succession
from fivefold.serving.process.acceptor import SPARES
from support.client import Client
from support.held_back import until_stopped
from support.process_tree import children_of, is_alive, is_gone, wait_until_gone
from support.servers.deployed import CRASHES, Deployed, deployed, port_is_free, until

GATED = (
    """
import os

if os.path.exists("gate"):
    with open("gate", "rb") as gate:
        gate.read()
"""
    + CRASHES
)
"""Cannot be imported while there is a pipe of this name and nobody has opened it for writing."""

CLIENTS = 9
"""More than there are idle processes: they have to serve again and again."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gated.py").write_text(GATED)
    return tmp_path


def without_forker(server: Deployed) -> tuple[int, list[int]]:
    """Kills it, and keeps its successor from being ready: the acceptor, and the children."""
    server.answers()
    (forker,) = server.workers()
    os.kill(forker, signal.SIGSTOP)
    until_stopped([forker])  # it may be about to fork a spare one
    acceptor, *children = children_of(forker)
    os.mkfifo(server.folder / "gate")
    os.kill(forker, signal.SIGKILL)
    until(lambda: server.workers() not in ([], [forker]), "a successor that starts")
    return acceptor, children


def let_in(server: Deployed) -> None:
    """The successor, once it stands before the gate."""
    os.close(os.open(server.folder / "gate", os.O_WRONLY))
    (server.folder / "gate").unlink()


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.engine)
def test_what_is_left_of_a_worker_serves_until_its_successor_does(
    engine: type, folder: Path
) -> None:
    if reason := engine.available():  # type: ignore[attr-defined]
        pytest.skip(reason)
    chosen = ("--serving", "process", "--io", engine.engine)  # type: ignore[attr-defined]
    with deployed(folder, "gated:app", *chosen) as server, Client(server.address) as kept:
        assert kept.get("/").status == 200
        acceptor, children = without_forker(server)
        assert kept.get("/").fields["connection"] == "close"
        found = {int(server.get("/") or b"0") for _ in range(CLIENTS)}
        assert found <= set(children)
        assert is_alive(acceptor)
        let_in(server)
        wait_until_gone(acceptor)
        for child in children:
            wait_until_gone(child)
        (forker,) = server.workers()
        assert int(server.get("/") or b"0") in children_of(forker)
        assert server.stop() == 0


def test_it_ends_with_its_last_process(folder: Path) -> None:
    """Each of them serves one connection, and a client that comes later is the successor's."""
    with deployed(folder, "gated:app", "--serving", "process", "--fresh") as server:
        acceptor, _ = without_forker(server)
        while is_alive(acceptor):
            with Client(server.address) as client:
                client.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
                client.sock.settimeout(0.1)
                try:
                    assert client.answer().status == 200
                except TimeoutError:
                    break  # nobody accepts any more
        wait_until_gone(acceptor)
        with Client(server.address) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: t\r\n\r\n")
            let_in(server)
            assert client.answer().status == 200
        assert server.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_the_server(number: signal.Signals, folder: Path) -> None:
    with deployed(folder, "gated:app", "--serving", "process") as server:
        acceptor, children = without_forker(server)
        address = server.address
        server.signal(number)
        assert server.process.wait(60) == (0 if number == signal.SIGTERM else -number)
        for pid in (acceptor, *children):
            until(lambda: is_gone(pid), f"the end of {pid}")  # noqa: B023
        until(lambda: port_is_free(address), "a free port")


def test_of_many_generations_all_end_when_one_serves(folder: Path) -> None:
    """A successor that dies before it serves takes nobody's place."""
    with deployed(folder, "gated:app", "--serving", "process") as server:
        acceptor, _ = without_forker(server)
        for _ in range(2):
            (successor,) = server.workers()
            os.kill(successor, signal.SIGKILL)
            until(lambda: server.workers() not in ([], [successor]), "the next")  # noqa: B023
            assert server.get("/") is not None
        assert is_alive(acceptor)
        let_in(server)
        wait_until_gone(acceptor)
        server.answers()
        assert server.stop() == 0


def is_over(heard: int) -> bool:
    return bool(select.select([heard], [], [], 0)[0])


def test_a_copy_of_the_writer_that_is_kept_holds_nobody_up() -> None:
    succession = Succession()
    heard, copy = succession.heard, os.dup(succession._say)
    assert not is_over(heard)
    succession.end()
    succession.end()
    assert is_over(heard)
    os.close(copy)
    succession.begin()


def test_the_end_of_the_supervisor_is_heard() -> None:
    """Whose descriptors the kernel closes."""
    succession = Succession()
    os.close(succession._say)
    assert is_over(succession.heard)
    os.close(succession.heard)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL])
def test_a_successor_has_room_for_the_clients_that_will_come(
    number: signal.Signals, folder: Path
) -> None:
    """As many idle processes as its predecessor had busy ones: those clients would wait for forks.
    None of them has come yet."""
    with deployed(folder, "gated:app", "--serving", "process") as server, ExitStack() as clients:
        for _ in range(CLIENTS):
            kept = clients.enter_context(Client(server.address))
            assert kept.get("/").status == 200
        (old,) = server.workers()
        os.kill(server.process.pid if number == signal.SIGHUP else old, number)
        until(lambda: server.workers() not in ([], [old]), "a successor")
        new = next(pid for pid in server.workers() if pid != old)
        room = CLIENTS + SPARES
        until(lambda: len(children_of(new)) == 1 + room, "an acceptor, and a process for each")
        assert server.stop() == 0
