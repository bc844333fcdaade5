"""The queues of workers: nobody waits for one that is stopped, dead, starting or stuck."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support.applicable import only
from support.client import Client
from support.every_pair import pairs
from support.held_back import is_stopped
from support.process_tree import descriptors_of
from support.servers.deployed import CRASHES, Deployed, deployed, port_is_free, until

CLIENTS = 12
"""The kernel chooses a queue for each: that it never chooses one of two is unlikely enough."""

GATED = """
import os
if os.path.exists("closed"):
    open("gate").read()
"""

REQUEST = b"GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n"


def several(pair: dict[str, str]) -> list[str]:
    return ["--serving", pair["serving"], "--io", pair["io"], "--workers", "2"]


def everybody_is_answered(server: Deployed, count: int = CLIENTS) -> set[bytes]:
    """All are there at once; who answered them."""
    clients = [Client(server.address) for _ in range(count)]
    for client in clients:
        client.send(REQUEST)
    try:
        answers = [client.answer() for client in clients]
    finally:
        for client in clients:
            client.sock.close()
    assert {answer.status for answer in answers} == {200}
    return {answer.body for answer in answers}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "crashes.py").write_text(GATED + CRASHES)
    return tmp_path


@only(lambda pair: MODELS[pair["serving"]].traits.scales_by_workers)
@pairs()
def test_a_stopped_worker_holds_no_client(pair: dict[str, str], folder: Path) -> None:
    with deployed(folder, "crashes:app", *several(pair)) as server:
        assert everybody_is_answered(server)
        stopped, other = server.workers()
        os.kill(stopped, signal.SIGSTOP)
        until(lambda: is_stopped(stopped), "a stopped worker")
        assert everybody_is_answered(server) == {str(other).encode()}
        os.kill(stopped, signal.SIGCONT)
        assert server.stop() == 0


@pytest.mark.parametrize("io", ["multiplexing", "aio:uring", "sigio"])
def test_a_worker_that_starts_holds_no_client(io: str, folder: Path) -> None:
    os.mkfifo(folder / "gate")
    with deployed(folder, "crashes:app", *several({"serving": "thread", "io": io})) as server:
        assert everybody_is_answered(server)
        victim, other = server.workers()
        (folder / "closed").touch()
        os.kill(victim, signal.SIGKILL)
        gate = os.open(folder / "gate", os.O_WRONLY)  # its successor is there, and not ready
        assert everybody_is_answered(server) == {str(other).encode()}
        os.close(gate)
        assert server.stop() == 0


@pytest.mark.parametrize("io", ["multiplexing", "multiplexing:poll", "sigio", "aio:posix"])
def test_a_worker_whose_gil_is_held_holds_no_client(io: str, folder: Path) -> None:
    """Where the kernel itself accepts (blocking, uring) it takes those of one wake-up along."""
    chosen = several({"serving": "thread", "io": io})
    with deployed(folder, "crashes:app", *chosen, "--grace-s", "0.1") as server:
        server.answers()
        with Client(server.address) as stuck:
            stuck.send(b"GET /mutex HTTP/1.1\r\nHost: t\r\n\r\n")
            server.said("holds the GIL")
            assert len(everybody_is_answered(server)) == 1
        server.stop()


@pytest.mark.parametrize("io", ["aio:uring", "sigio", "multiplexing"])
def test_a_queue_that_all_share_is_not_lost_with_its_first_worker(io: str, folder: Path) -> None:
    """Of those that share a listener, the kernel wakes always the same one for some engines."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        chosen = several({"serving": "async", "io": io})
        handed = ("--bind", f"fd://{listener.fileno()}")
        with deployed(folder, "crashes:app", *chosen, *handed, fds=(listener.fileno(),)) as server:
            server.said("serving")
            for stopped in server.workers():
                os.kill(stopped, signal.SIGSTOP)
                until(lambda: is_stopped(stopped), "a stopped worker")  # noqa: B023
                with socket.create_connection(listener.getsockname(), timeout=30) as client:
                    client.sendall(REQUEST)
                    assert client.recv(100).startswith(b"HTTP/1.1 200")
                os.kill(stopped, signal.SIGCONT)
            assert server.stop() == 0


def test_what_a_handler_forks_keeps_no_queue_of_any_worker(folder: Path) -> None:
    chosen = several({"serving": "thread", "io": "multiplexing"})
    with deployed(folder, "crashes:app", *chosen) as server:
        address = server.address
        forked = int(server.get("/fork") or b"0")
        assert server.stop() == 0
        assert not descriptors_of_listeners(forked, address[1])
        os.kill(forked, signal.SIGKILL)
        assert port_is_free(address)


@pytest.mark.parametrize("serving", ["process", "thread"])
def test_a_reload_leaves_a_blocking_listener_blocking(serving: str, folder: Path) -> None:
    """O_NONBLOCK is everybody's who shares the listener: a successor would spin."""
    chosen = ("--serving", serving, "--io", "blocking")
    with deployed(folder, "crashes:app", *chosen) as server:
        server.answers()
        (old,) = server.workers()
        server.signal(signal.SIGHUP)
        until(lambda: old not in server.workers(), "a new worker")
        (new,) = server.workers()
        found = descriptors_of_listeners(new, server.address[1])
        (flags,) = {flags_of(new, fd) for fd in found}
        assert not flags & os.O_NONBLOCK
        server.answers()
        assert server.stop() == 0


def descriptors_of_listeners(pid: int, port: int) -> list[int]:
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {
        f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"
    }
    return [fd for fd, name in descriptors_of(pid).items() if name in listening]


def flags_of(pid: int, fd: int) -> int:
    first = Path(f"/proc/{pid}/fdinfo/{fd}").read_text().splitlines()[1]
    return int(first.removeprefix("flags:").strip(), 8)
