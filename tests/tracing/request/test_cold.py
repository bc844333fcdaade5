"""Making a file cold: what holds its pages, and why one cannot be."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.errors import TraceFailed
from fivefold.tracing.request import cold

SENT = 32768
"""Bytes of a file that one packet has."""

MEMORY = Path("/dev/shm")


@pytest.mark.skipif(not MEMORY.is_dir(), reason="no tmpfs is mounted on /dev/shm")
def test_a_file_on_no_disk_is_never_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold, "EVICT_S", 0.0)
    with tempfile.NamedTemporaryFile(dir=MEMORY) as file:
        file.write(b"x" * 4096)
        file.flush()
        with pytest.raises(TraceFailed, match=r"lies on no disk \(`df /dev/shm/.* says tmpfs"):
            cold.evict(Path(file.name))


@pytest.fixture
def on_disk() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(os.urandom(SENT))
        file.flush()
        yield Path(file.name)


def received(sock: socket.socket, processor: int) -> None:
    os.sched_setaffinity(0, {processor})  # of this thread
    while sock.recv(SENT):
        pass


def test_what_a_processor_has_sent_and_not_freed_is_no_hindrance(
    on_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One processor sends, another one receives and leaves it to the first to free the packet,
    which does so with its next one: none comes on a quiet machine."""
    monkeypatch.setattr(cold, "EVICT_S", 1.0)
    allowed = os.sched_getaffinity(0)
    sending, receiving = min(allowed), max(allowed)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server = listener.accept()[0]
    with client, server, on_disk.open("rb") as file:
        receiver = threading.Thread(target=received, args=(client, receiving))
        receiver.start()
        try:
            os.sched_setaffinity(0, {sending})
            os.sendfile(server.fileno(), file.fileno(), 0, SENT)
        finally:
            os.sched_setaffinity(0, allowed)
            server.close()
            receiver.join()
        assert cold.evict(on_disk) is None
