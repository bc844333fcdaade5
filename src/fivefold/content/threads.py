"""A bounded pool of threads for applications that block, beside an event loop.

Only where one thread serves all connections: there a call that blocks would stop
everybody.  Where a connection has its own thread or process, the application is called
in place and nothing of this exists.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from ..iomodels.base import Waiter

R = TypeVar("R")


class Finishing(Protocol):
    """What is needed of an I/O model."""

    def finished(self, waiter: Waiter) -> None: ...


class Threads:
    """At most `size` calls at once; the others wait in the order they came."""

    def __init__(self, size: int) -> None:
        self._executor = ThreadPoolExecutor(size, thread_name_prefix="fivefold-application")

    async def call(self, io: Finishing, function: Callable[[], R]) -> R:
        """The result of `function`, called in one of the threads; its exception is raised here."""
        waiter = Waiter()
        future = self._executor.submit(function)
        future.add_done_callback(lambda _: io.finished(waiter))
        while not future.done():
            await waiter
        return future.result()

    def close(self) -> None:
        """Wait for nobody: a call that never returns must not keep the worker alive."""
        self._executor.shutdown(wait=False, cancel_futures=True)
