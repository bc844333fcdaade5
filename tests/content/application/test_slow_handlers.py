"""A finished answer does not wait for the handlers of other clients, in every engine."""

from __future__ import annotations

import os
import select
from contextlib import ExitStack
from pathlib import Path

import pytest

from fivefold.iomodels import ENGINES
from fivefold.iomodels.interface import IOModel
from support import TESTS
from support.applicable import only
from support.client import TIMEOUT_S, Client
from support.servers.folder import Serve

CLIENTS = 4

WAYS = {
    "wsgi": ("applications.gate:wsgi", "/", {"inline": True}),
    "asgi": ("applications.gate:asgi", "/", {}),
    "asgi, in a callback": ("applications.gate:asgi", "/later", {}),
}


@only(lambda engine: engine.traits.overlaps)
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.engine)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_answers_come_one_handler_apart(
    way: tuple[str, str, dict[str, bool]], engine: type[IOModel], serve: Serve, tmp_path: Path
) -> None:
    if reason := engine.available():
        pytest.skip(reason)
    target, path, settings = way
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    opened = os.open(gate, os.O_RDWR)
    pair = {"serving": "async", "io": engine.engine}
    with (
        serve(target=target, chdir=TESTS, **pair, **settings) as address,
        ExitStack() as stack,
    ):
        waiting = [stack.enter_context(Client(address)) for _ in range(CLIENTS)]
        for client in waiting:
            client.send(f"GET {path}?gate={gate} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
        for number in range(CLIENTS):
            os.write(opened, b"%d" % number)
            answered = first_with_an_answer(waiting)
            assert answered.answer().body == b"%d" % number
            waiting.remove(answered)
    os.close(opened)


def first_with_an_answer(clients: list[Client]) -> Client:
    ready = select.select([client.sock for client in clients], [], [], TIMEOUT_S)[0]
    assert ready, "its answer waits for another handler"
    return next(client for client in clients if client.sock is ready[0])
