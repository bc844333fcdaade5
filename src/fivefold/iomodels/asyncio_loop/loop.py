"""An event loop of asyncio that waits in an I/O model, and the model beside it.

Facts.        Applications and libraries written for asyncio need a running loop, with its
              timers, threads, signals and descriptors.  SelectorEventLoop takes any
              selector; all of its waiting is there.
Consequence.  A loop per I/O model takes no loop of our own.
Choice.       `event_loop` is asyncio's loop over `LoopSelector`; `LoopModel` is the same thing
              seen as an I/O model, whose coroutines run as tasks of that loop and may
              await whatever asyncio offers.
Cost.         One pass of asyncio's loop per turn of the model: 2 us, shared by all that
              happens in this turn.  `blocking` waits in poll(2) here, see `blocking_loop`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from ...isolation.descendants import end_copy
from .. import resolve
from ..interface import Connection, IOModel, Listener, Task, Waiter
from ..overlay import Overlay
from .bridge import await_in_task
from .engines import loop_engine
from .foreign_loop import ForeignLoopSupport
from .selector import LoopSelector

BEST = "multiplexing"
"""What `auto` means: epoll, in which a thread with few connections fares best."""


class LoopModel(IOModel):
    """An I/O model whose coroutines are tasks of asyncio."""

    @classmethod
    def available(cls) -> str | None:
        return None  # the maker of the model has asked it

    def __init__(self, io: ForeignLoopSupport) -> None:
        super().__init__()
        # Class variables elsewhere; here they are those of the model inside.
        self.name = io.name  # type: ignore[misc]
        self.engine = io.engine  # type: ignore[misc]
        self.traits = io.traits  # type: ignore[misc]
        self.woken = io.woken
        self.io = io
        self.loop = loop_on(io)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._left_alone: list[asyncio.Handle] = []
        """In a copy: without a reference a task would be closed, which it would hear."""

    def connection(self, sock: socket.socket) -> Connection:
        return self.io.connection(sock)

    def listener(self, sock: socket.socket) -> Listener:
        return self.io.listener(sock)

    def run(self, main: Task) -> Any:
        try:
            return self.loop.run_until_complete(_as_coroutine(main))
        finally:
            self.io.flush()

    def spawn(self, task: Task) -> None:
        running = self.loop.create_task(_as_coroutine(task))
        self._tasks.add(running)  # asyncio itself keeps weak references only
        running.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.loop.call_exception_handler(
                {
                    "message": "a connection ended with an error",
                    "exception": task.exception(),
                    "task": task,
                }
            )

    async def sleep(self, seconds: float) -> None:
        await self.io.sleep(seconds)

    def resume(self, waiter: Waiter) -> None:
        self.io.resume(waiter)

    def resume_threadsafe(self, waiter: Waiter) -> None:
        self.io.resume_threadsafe(waiter)

    def wake(self) -> None:
        self.io.wake()

    @property
    def wake_fd(self) -> int:
        """The loop's own: it wakes the model as well, and handlers of the application's
        (`loop.add_signal_handler`) hear of their signals there and nowhere else."""
        own = getattr(self.loop, "_csock", None)
        return self.io.wake_fd if own is None else int(own.fileno())

    def close(self) -> None:
        """Cancel what still runs, and close the loop, which closes the model."""
        if self.loop.is_closed():
            return
        try:
            self.loop.run_until_complete(self._end_all())
        finally:
            self.loop.close()

    async def _end_all(self) -> None:
        # In the order of `asyncio.Runner.close`: tasks, which may use generators and threads,
        # first.
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks - self._tasks:
            self._ended(task)
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()

    def give_up(self) -> None:
        self.io.give_up()
        # A loop goes on by itself, in this pass and in the next: it would make the parent's calls
        # a second time, and hear what is meant for the parent.
        if ready := getattr(self.loop, "_ready", None):
            self._left_alone += ready
            ready.clear()
            ready.extend([asyncio.Handle(end_copy, (), self.loop)] * len(self._left_alone))
        Overlay(self.loop, _run_once=lambda _: end_copy)

    def on_tick(self, call: Callable[[], None]) -> None:
        self.io.on_tick(call)

    @property
    def watching(self) -> int:
        return self.io.watching

    def statistics(self) -> dict[str, int]:
        return self.io.statistics()


async def _as_coroutine(operation: Coroutine[Any, Any, Any]) -> Any:
    """A task of asyncio is made of a coroutine; `await_in_task` is a generator."""
    return await await_in_task(operation)


def event_loop(io: str = "auto") -> asyncio.AbstractEventLoop:
    """A loop of asyncio whose thread waits in the I/O model `io`, for the calling thread.

    Raises `SettingsError` for an unknown word, `Unavailable` if it cannot run here.
    """
    engine, _ = resolve(BEST if io == "auto" else io)
    return loop_on(loop_engine(engine)())


def loop_on(io: ForeignLoopSupport) -> asyncio.AbstractEventLoop:
    selector = LoopSelector(io)
    loop = asyncio.SelectorEventLoop(selector)
    selector.attach(loop)
    return loop
