"""A copy that an application forks in one of several exchanges of a connection: nothing that the
others wait for keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.every_pair import chosen_pairs
from support.process_tree import is_gone
from support.raw_http2 import (
    HEADERS,
    INITIAL_WINDOW_SIZE,
    RawHttp2,
    has_no_room,
    request,
    window_update,
)
from support.servers.deployed import deployed, until

APPLICATION = """
import os

def app(environ, start_response):
    start_response("200 OK", [])
    if environ["PATH_INFO"] == "/endless":
        return (bytes(16384) for _ in iter(int, 1))
    pid = os.fork()
    if pid:
        with open("writing", "w") as file:
            file.write(str(pid))
        os.rename("writing", "forked")
    return [b"done"]
"""

WINDOW = 2**30


@pytest.mark.parametrize(
    "pair", chosen_pairs("thread-posix", "thread-uring", "thread-epoll", "process-select")
)
def test_a_copy_ends_though_another_stream_waits_to_send(
    pair: dict[str, str], tmp_path: Path
) -> None:
    """Its answer would wait behind that of the other stream, for a client that takes nothing."""
    (tmp_path / "shop.py").write_text(APPLICATION)
    chosen = ("--serving", pair["serving"], "--io", pair["io"], "--h2c")
    with (
        deployed(tmp_path, "shop:app", *chosen) as server,
        RawHttp2(server.address, receive_buffer=4096) as client,
    ):
        client.begin((INITIAL_WINDOW_SIZE, WINDOW))
        client.send(window_update(0, WINDOW) + request(1, "/endless"))
        client.until(HEADERS, 1)
        until(lambda: has_no_room(server.address, client.sock), "the client's buffers are full")
        client.send(request(3, "/fork"))
        forked = tmp_path / "forked"
        until(forked.exists, "a fork")
        until(lambda: is_gone(int(forked.read_text())), "the end of the copy")
        assert server.log.count("returned into the server; it ends") == 1
