"""An application whose lifespan fails in the way that `TEST_START` and `TEST_STOP` name."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from applications.notes_and_gates import Receive, Scope, Send, record
from applications.odd_exceptions import ODD


class Timeout(BaseException):
    """As gevent's: no Exception."""


def cancelled() -> NoReturn:
    raise asyncio.CancelledError


def grouped() -> NoReturn:
    raise BaseExceptionGroup("several", [Timeout("a second"), ValueError("no database")])


def timed_out() -> NoReturn:
    raise Timeout("a second")


def failed() -> NoReturn:
    raise LookupError("no database")


def ended() -> NoReturn:
    raise GeneratorExit


def left() -> NoReturn:
    sys.exit(4)


def interrupted() -> NoReturn:
    raise KeyboardInterrupt


def left_in_group() -> NoReturn:
    raise BaseExceptionGroup("several", [SystemExit(4), ValueError("no database")])


def odd(kind: type[BaseException]) -> Callable[[], NoReturn]:
    def now() -> NoReturn:
        raise kind("no database")

    return now


ERRORS: dict[str, Any] = {
    function.__name__: function
    for function in (cancelled, grouped, timed_out, failed, ended, left, interrupted, left_in_group)
} | {kind.__name__: odd(kind) for kind in ODD}


async def cancels_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def another_task_leaves() -> None:
    tasks.append(asyncio.create_task(leave()))
    await asyncio.sleep(60)


async def leave() -> None:
    await asyncio.sleep(0)
    sys.exit(4)


async def stops_the_loop() -> None:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)


async def cancels_all_tasks() -> None:
    """As many programs end: cancel whatever there is, and wait for it."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def never_ends() -> None:
    await asyncio.Event().wait()


async def refuses_to_end() -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass


async def blocks() -> None:
    await asyncio.get_running_loop().run_in_executor(None, lambda: os.read(os.pipe()[0], 1))


STEPS: dict[str, Any] = {
    function.__name__: function
    for function in (
        *(cancels_itself, another_task_leaves, stops_the_loop, cancels_all_tasks),
        *(never_ends, refuses_to_end, blocks),
    )
}

tasks: list[asyncio.Task[None]] = []


async def do(name: str) -> None:
    if name in STEPS:
        await STEPS[name]()
    elif name:
        ERRORS[name]()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"served"})


async def lifespan(receive: Receive, send: Send) -> None:
    """`TEST_START` begins with a word that says when it fails."""
    when, _, name = os.environ.get("TEST_START", "").partition(" ")
    record("asked")
    if when == "before":
        await do(name)
    await receive()
    if when == "after":
        await do(name)
    if when == "returns":
        return
    await send({"type": "lifespan.startup.complete"})
    record("started")
    if when == "serving":
        await asyncio.sleep(0.01)
        try:
            await do(name)
        finally:
            record("broken")
    await receive()
    record("stopping")
    await do(os.environ.get("TEST_STOP", ""))
    record("stopped")
    await send({"type": "lifespan.shutdown.complete"})
