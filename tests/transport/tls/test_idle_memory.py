"""What an idle TLS connection keeps after a large file, by the kernel's count (proc(5), smaps)."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from pathlib import Path

import pytest

from fivefold import Server, Settings
from fivefold.linux.processes import processes_of_tree
from fivefold.serving import MODELS
from support.applicable import only
from support.client import Client
from support.every_pair import pairs
from support.openssl import Made, self_signed

PRIVATE = ("Private_Dirty:", "Private_Clean:", "Swap:")


def private_kib(pids: set[int]) -> int:
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(PRIVATE):
                total += int(line.split()[1])
    return total


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return self_signed(tmp_path_factory.mktemp("tls"), "localhost")


def kept_kib(pair: dict[str, str], made: Made, site: Path, connections: int) -> float:
    """By each of so many idle connections, because of a file of 1 MiB."""
    settings = {"tls_cert": made.cert, "tls_key": made.key, "keep_alive_s": 60.0, **pair}
    values = {"target": str(site), "bind": "127.0.0.1:0", "max_connections": connections + 1}
    context = ssl.create_default_context(cafile=made.cert)
    with Server(Settings.of(values | settings)) as server, ExitStack() as stack:
        host, _, port = server.addresses[0].partition("://")[2].rpartition(":")
        clients = [stack.enter_context(Client((host, int(port)))) for _ in range(connections + 1)]
        for client in clients:
            client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
            assert client.get("/1.bin").status == 200
        # What the first one costs is there for all: a part of the file, and its records.
        assert clients.pop().get("/1m.bin").status == 200
        pids = processes_of_tree(server.pid)
        before = private_kib(pids)
        for client in clients:
            assert client.get("/1m.bin").status == 200
        return (private_kib(pids) - before) / connections


# In the others the heap of each thread or process is the larger part; see below.
@only(lambda pair: MODELS[pair["serving"]].traits.one_thread)
@pairs(overlapping=True)
@only(
    lambda pair: MODELS[pair["serving"]].traits.one_thread
)  # else their heaps are the larger part
def test_an_idle_connection_keeps_little_of_a_large_file(
    pair: dict[str, str], made: Made, site: Path
) -> None:
    kept = kept_kib(pair, made, site, 60)
    # 20 to 90 were measured: room for a record, and what the heap of the process keeps for all;
    # it was 260 for a whole part.
    assert kept < 160, f"{kept:.0f} KiB"


def test_the_same_with_a_thread_for_each(made: Made, site: Path) -> None:
    kept = kept_kib({"serving": "thread", "io": "auto"}, made, site, 200)
    # 90 were measured, because the threads' heaps (8 for each processor, mallopt(3)) are not
    # given back either; it was 370.
    assert kept < 200, f"{kept:.0f} KiB"
