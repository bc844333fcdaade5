"""What an idle TLS connection keeps after a large file, by the kernel's count (proc(5), smaps)."""

from __future__ import annotations

import ssl
from contextlib import ExitStack
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support.applicable import only
from support.client import Client
from support.every_pair import pairs
from support.openssl import Made
from support.process_tree import memory_of_tree
from support.servers.started import running

PASSES = 8

pytestmark = pytest.mark.alone  # beside other tests nonblocking showed 270 KiB, and 22 without


@pytest.fixture(autouse=True)
def no_holes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the heap give back what is large as soon as it is free (mallopt(3), M_MMAP_THRESHOLD)."""
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")


def kept_kib(pair: dict[str, str], made: Made, site: Path, connections: int, little: int) -> float:
    """By each of so many idle connections, because of a file of 1 MiB.

    What they keep is there after each pass over all of them; and now and then, some MiB of holes
    in the heap, which a later pass fills or gives back.  So the least is what they keep.
    """
    options = ["--serving", pair["serving"], "--io", pair["io"], "--tls-cert", str(made.cert)]
    options += ["--tls-key", str(made.key), "--keep-alive-s", "60"]
    options += ["--max-connections", str(connections + 1)]
    context = ssl.create_default_context(cafile=made.cert)
    with running(str(site), *options) as server, ExitStack() as stack:
        clients = [stack.enter_context(Client(server.address)) for _ in range(connections + 1)]
        for client in clients:
            client.sock = context.wrap_socket(client.sock, server_hostname="localhost")
            assert client.get("/1.bin").status == 200
        # What the first one costs is there for all: a part of the file, and its records.
        assert clients.pop().get("/1m.bin").status == 200
        before = memory_of_tree(server.process.pid)
        least = float("inf")
        for _ in range(PASSES):
            for client in clients:
                assert client.get("/1m.bin").status == 200
            grown = (memory_of_tree(server.process.pid) - before) / 1024
            least = min(least, grown / connections)
            if least < little:
                break
        return least


# In the others the heap of each thread or process is the larger part; see below.
@only(lambda pair: MODELS[pair["serving"]].traits.one_thread)
@pairs(overlapping=True)
def test_an_idle_connection_keeps_little_of_a_large_file(
    pair: dict[str, str], made: Made, site: Path
) -> None:
    # 20 to 40 were measured: room for a record, and what the heap of the process keeps for all;
    # it was 260 for a whole part.
    kept = kept_kib(pair, made, site, connections=60, little=160)
    assert kept < 160, f"{kept:.0f} KiB"


def test_the_same_with_a_thread_for_each(made: Made, site: Path) -> None:
    # 90 were measured, because the threads' heaps (8 for each processor, mallopt(3)) are not
    # given back either; it was 370.
    pair = {"serving": "thread", "io": "auto"}
    kept = kept_kib(pair, made, site, connections=200, little=200)
    assert kept < 200, f"{kept:.0f} KiB"
