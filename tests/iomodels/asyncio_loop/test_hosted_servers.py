"""Servers written for asyncio, unchanged, on a loop of each model."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import fivefold

aiohttp = pytest.importorskip("aiohttp")
web = pytest.importorskip("aiohttp.web")
uvicorn = pytest.importorskip("uvicorn")

Message = dict[str, Any]

MODELS = ["multiplexing", "sigio", "aio"]


async def application(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    await asyncio.sleep(0.001)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.mark.parametrize("io", MODELS)
def test_uvicorn(io: str) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    settings = uvicorn.Config(application, lifespan="off", log_config=None)
    server = uvicorn.Server(settings)

    async def main() -> bytes:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET /path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        server.should_exit = True
        await serving
        return answer

    with asyncio.Runner(loop_factory=lambda: fivefold.event_loop(io)) as runner:
        assert runner.run(main()).endswith(b"/path\r\n0\r\n\r\n")
    listening.close()


@pytest.mark.parametrize("io", MODELS)
def test_aiohttp_serves_and_asks(io: str) -> None:
    async def answer(request: Any) -> Any:
        return web.Response(text=await request.text() * 2)

    async def main() -> str:
        served = web.Application()
        served.router.add_post("/", answer)
        runner = web.AppRunner(served)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"http://{host}:{port}/", data="ab") as response,
        ):
            text: str = await response.text()
        await runner.cleanup()
        return text

    with asyncio.Runner(loop_factory=lambda: fivefold.event_loop(io)) as loop:
        assert loop.run(main()) == "abab"
