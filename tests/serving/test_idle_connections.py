"""What an idle kept connection takes of a worker's memory, in each engine that holds many.

`tracemalloc` in the worker counts what Python's allocators were asked for: the same in each run,
where the memory of the process depends on what it had before. `reliability` (`idle`) measures that.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from fivefold.iomodels import ENGINES
from fivefold.iomodels.interface import IOModel
from support.client import Client
from support.servers.deployed import Deployed, deployed

APPLICATION = """
import gc, tracemalloc

async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = b"Hello, World!"
    if scope["path"] == "/traced":
        tracemalloc.is_tracing() or tracemalloc.start()
        gc.collect()
        body = b"%d" % tracemalloc.get_traced_memory()[0]
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})
"""

CLIENTS = 125
"""With those before them fewer than make a table grow, which is a matter of their number."""

BROWSER = {f"X-Field-{number}": "x" * 30 for number in range(20)}
"""A head that is not known by its bytes, so that a parser has judged it."""

MOST = 2048
OF_ENGINE = {"posix": 24576}
"""Where it is more, and why: a read of glibc has a buffer of its own, of 16 KiB."""


def held(server: Deployed, fields: dict[str, str]) -> float:
    """How many bytes each connection takes that has been answered once."""

    with Client(server.address) as onlooker, contextlib.ExitStack() as clients:

        def come(many: int) -> None:
            for _ in range(many):
                client = clients.enter_context(Client(server.address))
                assert client.get("/", **fields).body == b"Hello, World!"

        def traced() -> int:
            return int(onlooker.get("/traced").body)

        come(20)  # tables and lists grow by more than one
        traced()
        before = traced()
        come(CLIENTS)
        return (traced() - before) / CLIENTS


@pytest.mark.parametrize("engine", [e for e in ENGINES if e.traits.overlaps])
def test_an_idle_connection_is_small(tmp_path: Path, engine: type[IOModel]) -> None:
    if reason := engine.available():
        pytest.skip(reason)
    (tmp_path / "traced.py").write_text(APPLICATION)
    io = ("--serving", "async", "--io", engine.engine, "--workers", "1")
    with deployed(tmp_path, "traced:app", *io, "--lifespan", "off") as server:
        most = OF_ENGINE.get(engine.engine, MOST)
        held(server, {})  # once: what a worker makes for its first clients
        each = {"short": held(server, {}), "long": held(server, BROWSER)}
        assert all(0 < bytes_ < most for bytes_ in each.values()), each
        assert server.stop() == 0
