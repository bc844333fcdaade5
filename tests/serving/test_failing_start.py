"""A pool of threads in which the application cannot start, with a client at the door."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from client import Client

from fivefold import Server, Settings
from fivefold.errors import WorkerFailed


def test_a_client_is_let_go_when_no_thread_can_start() -> None:
    wait_for, say = os.pipe()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        os.read(wait_for, 1)  # until the client is there
        await send({"type": "lifespan.startup.failed"})

    settings = Settings(
        target=application, bind=("127.0.0.1:0",), serving="thread", max_connections=1
    )
    # Whether the supervisor hears of it before we stop it does not matter.
    with contextlib.suppress(WorkerFailed), Server(settings) as server:
        host, _, port = server.addresses[0].removeprefix("http://").rpartition(":")
        with Client((host, int(port))) as client:
            os.write(say, b"1234")
            assert client.at_end()
    os.close(wait_for)
    os.close(say)
