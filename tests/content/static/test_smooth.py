"""Both I/Os stay smooth: a cold file stalls nobody, a slow client costs no memory.

Figures come from /proc; a cold file is one whose pages the kernel has let go of.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold import Server, Settings
from fivefold.iomodels import ENGINES
from fivefold.iomodels.interface import IOModel
from fivefold.linux.processes import processes_of_tree
from fivefold.tracing.request.cold import evict
from support.client import TIMEOUT_S, Client
from support.openssl import self_signed

COLD_BYTES = 256 << 20

LONG_BYTES = 2 << 30

FLAT_BYTES = 16 << 20
"""How much more memory slow clients of large files may cost."""

SLOW_CLIENTS = 8

TAKEN_BYTES = 24 << 20
"""What each of them takes: more than all buffers on the way, less than a test needs to last."""

OVERLAPPING = [engine.engine for engine in ENGINES if engine.traits.overlaps]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("smooth")
    block = os.urandom(1 << 20)
    with (folder / "cold.bin").open("wb") as file:
        for _ in range(COLD_BYTES // len(block)):
            file.write(block)
    with (folder / "long.bin").open("wb") as file:
        file.truncate(LONG_BYTES)
    (folder / "small.txt").write_text("small")
    yield folder
    (folder / "cold.bin").unlink()


def address_of(server: Server) -> tuple[str, int]:
    host, _, port = server.addresses[0].partition("://")[2].rpartition(":")
    return host, int(port)


@pytest.mark.parametrize("io", OVERLAPPING)
def test_a_cold_file_of_one_client_does_not_stall_another(io: str, folder: Path) -> None:
    evict(folder / "cold.bin")
    answered = 0
    with Server(Settings(target=str(folder), bind=("127.0.0.1:0",), io=io)) as server:
        where = address_of(server)
        with Client(where) as cold, Client(where) as other:
            assert other.get("/small.txt").body == b"small"
            cold.send(b"GET /cold.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            arrived = threading.Event()

            def reading() -> None:
                cold.answer()
                arrived.set()

            reader = threading.Thread(target=reading)
            reader.start()
            while not arrived.is_set():
                assert other.get("/small.txt").body == b"small"
                answered += 1
            reader.join()
    # One that waited for the whole file, or for each part of it, would have had a handful.
    assert answered > COLD_BYTES >> 23


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.engine)
def test_slow_clients_of_large_files_cost_no_memory(
    engine: type[IOModel], folder: Path, tmp_path: Path, *, secure: bool
) -> None:
    serving = "async" if engine.traits.overlaps else "thread"
    io = engine.engine
    values = {"target": str(folder), "bind": "127.0.0.1:0", "serving": serving, "io": io}
    if secure:
        made = self_signed(tmp_path, "localhost")
        values |= {"tls_cert": made.cert, "tls_key": made.key}
    with Server(Settings.of(values)) as server:
        where = address_of(server)
        download(where, 1 << 20, tmp_path if secure else None)
        before = peak_bytes(server.pid)
        threads = [
            threading.Thread(
                target=download, args=(where, TAKEN_BYTES, tmp_path if secure else None)
            )
            for _ in range(SLOW_CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert peak_bytes(server.pid) - before <= FLAT_BYTES


def download(where: tuple[str, int], count: int, trusted: Path | None) -> None:
    """Some of a file of 2 GiB, in small bites."""
    sock: socket.socket = socket.socket()
    sock.settimeout(TIMEOUT_S)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sock.connect(where)
    if trusted is not None:
        import ssl  # noqa: PLC0415

        context = ssl.create_default_context(cafile=str(trusted / "localhost.pem"))
        sock = context.wrap_socket(sock, server_hostname="localhost")
    with sock:
        sock.sendall(b"GET /long.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        while count > 0:
            received = sock.recv(16384)
            assert received
            count -= len(received)


def peak_bytes(pid: int) -> int:
    """The most memory that each process of the server has ever held, together (proc(5), VmHWM)."""
    total = 0
    for process in processes_of_tree(pid):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                total += int(line.split()[1]) * 1024
    return total


@pytest.mark.parametrize("io", OVERLAPPING)
def test_idle_connections_give_their_descriptors_back(io: str, folder: Path) -> None:
    settings = Settings.of(
        {"target": str(folder), "bind": "127.0.0.1:0", "io": io, "keep_alive_s": 0.2}
    )
    with Server(settings) as server:
        where = address_of(server)
        with Client(where) as first:
            first.get("/small.txt")
            assert first.at_end()
        before = descriptors(server.pid)
        clients = [Client(where) for _ in range(20)]
        for client in clients:
            assert client.get("/small.txt").status == 200
        for client in clients:
            assert client.at_end()
            client.sock.close()
        while descriptors(server.pid) > before:
            pass  # a few are closed after the client has seen the end


def descriptors(pid: int) -> int:
    return sum(len(os.listdir(f"/proc/{process}/fd")) for process in processes_of_tree(pid))
