"""Whoever looks at a server that takes no more connections finds out why."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from fivefold.serving import MODELS
from support.client import Client
from support.servers.deployed import Deployed, deployed, until

LINE = "connections are open, as many as can be (max_connections); further clients wait"


@pytest.mark.parametrize("serving", MODELS)
def test_reaching_the_limit_is_one_line_until_it_has_fallen(tmp_path: Path, serving: str) -> None:
    (tmp_path / "index.html").write_text("x")
    arguments = ("--serving", serving, "--io", "epoll", "--max-connections", "6")
    with deployed(tmp_path, ".", *arguments) as server:
        for times in (1, 2):
            # Again, where the server has not known yet that the last ones had gone.
            until(lambda times=times: fill(server) >= times, "a full server")  # type: ignore[misc]
            assert server.log.count(LINE) == times
        assert f"6 {LINE}" in server.log
        assert server.stop() == 0


def fill(server: Deployed) -> int:
    """As many clients as there is room for; how often the server has said so since its start."""
    clients = [Client(server.address) for _ in range(6)]
    for client in clients:
        assert client.get("/").status == 200
    for client in clients:
        client.sock.shutdown(socket.SHUT_WR)
        assert client.at_end()
        client.sock.close()
    return server.log.count(LINE)
