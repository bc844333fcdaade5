"""A stream as content has it: several coroutines may wait on it, and each is woken."""

from __future__ import annotations

import socket
from pathlib import Path

import ngh2
import pytest

from support.servers.deployed import deployed, until

APPLICATION = """
import asyncio

ends = []

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/ends":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % len(ends)})
        return
    await receive()

    async def listen():
        assert (await receive())["type"] == "http.disconnect"
        ends.append(1)

    listening = asyncio.ensure_future(listen())
    await asyncio.sleep(0.5)  # the client is watched from the first look on
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(300_000), "more_body": True})
    await listening
"""

FIELDS = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"test")]


class Client:
    """Speaks HTTP/2 without TLS, and gives the window back that it has read."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.sock = socket.create_connection(address, timeout=20)
        self.session = ngh2.Connection(ngh2.Role.CLIENT)
        self.session.initiate_connection()

    def ask(self, path: bytes) -> int:
        number = self.session.send_request([*FIELDS, (b":path", path)], end_stream=True)
        self.send()
        return number

    def send(self) -> None:
        self.sock.sendall(self.session.data_to_send())

    def body(self, stream: int, size: int) -> bytes:
        """So much of it, at least."""
        found = b""
        while len(found) < size:
            data = self.sock.recv(65536)
            assert data, found
            self.session.receive_data(data)
            for event in self.session.events():
                if isinstance(event, ngh2.DataReceived) and event.stream_id == stream:
                    found += event.data
            self.send()
        return found


every_kind = pytest.mark.parametrize(
    "io", ["multiplexing:epoll", "multiplexing:select", "sigio", "aio:uring"]
)


@every_kind
def test_an_application_that_has_sent_hears_that_its_client_leaves(io: str, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(APPLICATION)
    with deployed(tmp_path, "shop:app", "--h2c", "--serving", "async", "--io", io) as server:
        client = Client(server.address)
        first = client.ask(b"/")
        client.body(first, 300_000)
        client.session.reset_stream(first)
        client.send()
        while client.body(client.ask(b"/ends"), 1) != b"1":
            pass
        client.sock.close()


@every_kind
def test_who_takes_nothing_is_given_up_while_the_application_listens(
    io: str, tmp_path: Path
) -> None:
    """The one that listens has no time of its own: it must not keep the other from seeing that
    its time is over."""
    (tmp_path / "shop.py").write_text(APPLICATION)
    words = ("--h2c", "--serving", "async", "--io", io, "--send-s", "0.5")
    with deployed(tmp_path, "shop:app", *words) as server:
        hostile, good = Client(server.address), Client(server.address)
        hostile.ask(b"/")  # its window is that of the RFC, and stays so
        until(lambda: good.body(good.ask(b"/ends"), 1) == b"1", "the end of what nobody takes")
        hostile.sock.close()
        good.sock.close()
