"""`nest_asyncio`, with the real library: a handler runs the loop in which it runs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import Any

import pytest

from applications.asgi import nested_loops
from fivefold.iomodels import ENGINES
from support.servers.embedded import MODELS, NOTES_S, Site, hosting

Pair = dict[str, Any]

AT_ONCE = 4

LIMIT = 6
"""Of connections at once; more of them come one after the other."""


def ask_at_once(site: Site, path: str) -> None:
    """So that one inner run begins in the middle of another."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(site.wire()) for _ in range(AT_ONCE)]
        # The last one waits with its body until all the others have asked.
        for wire in wires:
            wire.put(path, method="POST", fields="Content-Length: 4\r\n")
        for wire in wires:
            wire.send(b"body")
        expected = {"/received": "body", "/failed": "inner"}.get(path, "nested")
        for wire in wires:
            answer = wire.answer()
            assert answer.status == 200, site.log
            assert json.loads(answer.body) == [expected, True]


MECHANISMS = ("blocking", "nonblocking", "epoll", "sigio", "uring", "posix")
"""An engine of each way to wait."""

PAIRS = [
    pytest.param({"serving": "async", "io": engine.engine}, id=engine.engine)
    for engine in ENGINES
    if engine.engine in MECHANISMS and engine.traits.overlaps and not engine.available()
] + [pytest.param(MODELS[name], id=name) for name in ("thread", "process")]


@pytest.mark.parametrize("pair", PAIRS)
def test_a_run_within_a_run_ends_by_its_own_outcome(pair: Pair) -> None:
    with hosting(
        "applications.asgi.nested_loops:at_import()", **pair, max_connections=LIMIT
    ) as site:
        for path in nested_loops.WAYS.keys() - {"/plain"}:
            ask_at_once(site, path)
        for _ in range(LIMIT + 1):
            with site.wire() as wire:
                assert wire.ask("/plain").status == 200
        assert "Traceback" not in site.log


@pytest.mark.parametrize("model", MODELS)
def test_a_handler_may_be_the_first_that_applies_it(model: str) -> None:
    """The pass of asyncio's own loop that is under way then finds its queue empty, and breaks:
    that is said, and the loop goes on."""
    with hosting(nested_loops.app, **MODELS[model], max_connections=LIMIT) as site:
        for path in nested_loops.WAYS.keys() - {"/plain"}:
            ask_at_once(site, path)
        assert "the application failed" not in site.log
        assert site.log.count("the application broke its event loop, which goes on") <= LIMIT


RUN = """
import nest_asyncio
from fivefold.iomodels import resolve
from fivefold.iomodels.asyncio_loop.engines import loop_engine
from fivefold.iomodels.asyncio_loop.loop import LoopModel

host = LoopModel(loop_engine(resolve("multiplexing")[0])(tick_s=1.0, connections=1))
nest_asyncio.apply(host.loop)
over = host.loop.create_future()

async def main():
    await host.io.sleep(0.01)
    over.set_result("over")

host.io.spawn(main())
print(host.loop.run_until_complete(over))
"""


def test_a_run_ends_with_the_turn_that_completes_its_future() -> None:
    """The library puts no callback on it, so nothing stands in the queue of the loop then; a
    thread or process would not notice that its connection has ended."""
    done = subprocess.run(
        [sys.executable, "-c", RUN], capture_output=True, text=True, timeout=NOTES_S, check=True
    )
    assert done.stdout == "over\n"
