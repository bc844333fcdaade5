"""What became of a coroutine: what it returned, or what it raised.

An I/O model drives many coroutines from one loop.  What the main one raises is for code that
called `run`; what another one raises must end that one alone, so it is logged where the
coroutine was resumed, and the loop goes on.

Assumption.  A coroutine that raises has closed its connection, or its spawner does
             (`serving.open_connections.OpenConnections`); a model cannot know what belonged to it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from ..isolation.reporting import logger, report

log = logger("fivefold.io")


class Outcome:
    """Of one coroutine, kept for a reader in another place; any exception can be kept.

    (A future of asyncio refuses StopIteration, and does not end its loop for SystemExit or
    KeyboardInterrupt.)
    """

    def __init__(self) -> None:
        self._result: Any = None
        self._error: BaseException | None = None

    async def of(self, coroutine: Awaitable[Any]) -> None:
        """Await it, and keep what becomes of it. Raises GeneratorExit only."""
        try:
            self._result = await coroutine
        except GeneratorExit:
            raise  # a model that closes ends each coroutine that waits in it
        except BaseException as error:  # noqa: BLE001 - raised by `get`
            self._error = error

    def get(self) -> Any:
        """The result. Raises what the coroutine raised."""
        if self._error is None:
            return self._result
        try:
            raise self._error
        finally:
            self._error = None  # it knows this frame, which shall not know it in turn


def ended_badly(error: BaseException) -> None:
    """A coroutine other than the main one has raised: say so, and forget it."""
    report(log, "a coroutine of the server failed", error=error)
