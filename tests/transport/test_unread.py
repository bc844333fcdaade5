"""What is given back is received next, by whoever watches the connection, too."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from fivefold.iomodels.blocking import Blocking
from fivefold.iomodels.interface import Connection
from fivefold.transport.layers import unread


@pytest.fixture
def ends() -> Iterator[tuple[Blocking, Connection, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        io = Blocking()
        yield io, io.connection(near), far
        io.close()


def test_once_and_then_the_connection_is_as_it_was(
    ends: tuple[Blocking, Connection, socket.socket],
) -> None:
    io, conn, far = ends
    unread(conn, b"first")
    far.sendall(b"second")
    assert io.run(conn.recv()) == b"first"
    assert "recv" not in vars(conn)
    assert io.run(conn.recv()) == b"second"


def test_an_observer_sees_this_and_what_follows(
    ends: tuple[Blocking, Connection, socket.socket],
) -> None:
    io, conn, far = ends
    seen: list[tuple[str, Any]] = []
    unread(conn, b"first")
    conn.observe(lambda event, detail: seen.append((event, detail.get("bytes"))))
    far.sendall(b"second")
    assert [io.run(conn.recv()) for _ in range(2)] == [b"first", b"second"]
    received = [(event, size) for event, size in seen if event == "recv.end"]
    assert received == [("recv.end", 5), ("recv.end", 6)]
