"""Websockets (RFC 6455, ASGI) with an independent client, under every serving model."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import asgi_sample
import pytest
from client import Client
from every_pair import pairs
from test_wsgi import address, wait_for
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fivefold.testing import running


@pytest.fixture(params=["async", "thread", "process"], scope="module")
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with running(asgi_sample.app, serving=request.param, websocket_message_bytes=1_000_000) as url:
        yield url.replace("http", "ws") + "/ws"


async def echoed(url: str) -> None:
    async with connect(url, max_size=None) as peer:
        for message in ("text", "ümlaut", b"bytes", "", b"x" * 500_000):
            await peer.send(message)
            assert await peer.recv() == message
        await peer.send(["frag", "men", "ted"])
        assert await peer.recv() == "fragmented"
        await (await peer.ping())


def test_echo_compressed_and_not(url: str) -> None:
    async def uncompressed() -> None:
        async with connect(url, compression=None) as peer:
            await peer.send("plain")
            assert await peer.recv() == "plain"
            assert peer.protocol.extensions == []

    asyncio.run(echoed(url))
    asyncio.run(uncompressed())


def test_subprotocol_and_fields(url: str) -> None:
    async def main() -> None:
        async with connect(url, subprotocols=["chat", "other"]) as peer:  # type: ignore[list-item]
            assert peer.subprotocol == "chat"
            assert peer.response is not None
            assert peer.response.headers["x-a"] == "b"

    asyncio.run(main())


def test_the_clients_close_reaches_the_application(url: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with connect(f"{url}?{tmp_path}/mark") as peer:
            await peer.close(4321, "had enough")

    asyncio.run(main())
    wait_for(tmp_path / "mark")
    assert (tmp_path / "mark").read_text() == "4321 had enough"


def test_a_lost_client_is_1006(url: str, tmp_path: Path) -> None:
    async def main() -> None:
        peer = await connect(f"{url}?{tmp_path}/mark")
        peer.transport.abort()

    asyncio.run(main())
    wait_for(tmp_path / "mark")
    assert (tmp_path / "mark").read_text().startswith("1006")


async def close_of(url: str, *messages: str | bytes) -> tuple[list[str | bytes], int, str]:
    received: list[str | bytes] = []
    async with connect(url) as peer:
        try:
            for message in messages:
                await peer.send(message)
            while True:
                received.append(await peer.recv())
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return received, closed.rcvd.code, closed.rcvd.reason


def test_the_applications_close_reaches_the_client(url: str) -> None:
    assert asyncio.run(close_of(f"{url}?push")) == (["0", "1", "2"], 4000, "enough")


def test_a_message_that_is_too_large_is_1009(url: str) -> None:
    assert asyncio.run(close_of(url, bytes(1_000_001)))[1] == 1009


def test_an_application_that_fails_is_1011(url: str) -> None:
    assert asyncio.run(close_of(f"{url}?fail"))[1] == 1011


@pytest.mark.parametrize(("query", "status"), [("reject", 403), ("deny", 402)])
def test_a_refused_handshake(url: str, query: str, status: int) -> None:
    async def main() -> None:
        async with connect(f"{url}?{query}"):
            pass

    with pytest.raises(InvalidStatus) as refused:
        asyncio.run(main())
    assert refused.value.response.status_code == status
    if query == "deny":
        assert refused.value.response.body == b"pay first"


def test_an_incomplete_handshake_is_refused(url: str) -> None:
    with Client(address(url.removesuffix("/ws").replace("ws", "http"))) as client:
        client.send(
            b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        )
        assert client.answer().status in (400, 426)


def test_invalid_utf_8_is_1007(url: str) -> None:
    async def main() -> int | None:
        async with connect(url, compression=None) as peer:
            # A masked text frame with the byte 0xff.
            peer.transport.write(bytes([0x81, 0x81, 0, 0, 0, 0, 0xFF]))
            with pytest.raises(ConnectionClosed) as closed:
                await peer.recv()
            return closed.value.rcvd.code if closed.value.rcvd else None

    assert asyncio.run(main()) == 1007


def test_an_http_request_beside_websockets(url: str) -> None:
    with Client(address(url.removesuffix("/ws").replace("ws", "http"))) as client:
        assert client.get("/").body == b"Hello, World!"


@pytest.mark.parametrize("serving", ["async", "thread", "process"])
def test_a_server_that_stops_says_1012(serving: str) -> None:
    async def talk(url: str, connected: asyncio.Event) -> int | None:
        async with connect(url) as peer:
            await peer.send("x")
            await peer.recv()
            connected.set()
            with pytest.raises(ConnectionClosed) as closed:
                await peer.recv()
            return closed.value.rcvd.code if closed.value.rcvd else None

    async def main() -> int | None:
        server = running(asgi_sample.app, serving=serving)
        url = server.__enter__().replace("http", "ws") + "/ws"
        connected = asyncio.Event()
        client = asyncio.create_task(talk(url, connected))
        await connected.wait()
        await asyncio.to_thread(server.__exit__, None, None, None)
        return await client

    assert asyncio.run(main()) == 1012


@pairs()
def test_every_pair_echoes(pair: dict[str, str]) -> None:
    with running(asgi_sample.app, **pair) as url:
        asyncio.run(echoed(url.replace("http", "ws") + "/ws"))


def test_a_thousand_websockets_at_once() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))

    async def main(url: str) -> int:
        peers = []
        for _ in range(20):
            peers += await asyncio.gather(*(connect(url, open_timeout=60) for _ in range(50)))

        async def talk(number: int) -> bool:
            await peers[number].send(str(number))
            return await peers[number].recv() == str(number)

        answers = await asyncio.gather(*(talk(number) for number in range(1000)))
        await asyncio.gather(*(peer.close() for peer in peers))
        return sum(answers)

    try:
        with running(asgi_sample.app) as url:
            assert asyncio.run(main(url.replace("http", "ws") + "/ws")) == 1000
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_client_that_answers_no_ping_is_let_go(tmp_path: Path) -> None:
    with (
        running(asgi_sample.app, websocket_ping_s=0.2) as url,
        socket.create_connection(address(url)) as sock,
    ):
        sock.sendall(
            f"GET /ws?{tmp_path}/mark HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        wait_for(tmp_path / "mark")
    assert (tmp_path / "mark").read_text().startswith("1006")
