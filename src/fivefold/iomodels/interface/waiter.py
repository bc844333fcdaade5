"""What a coroutine of ours yields, and what drives it gets: the one word that both sides speak."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any

Task = Coroutine[Any, None, Any]
"""A coroutine that yields `Waiter` objects to the model that drives it."""


class Waiter:
    """What a suspended coroutine waits for.

    The model that receives it from a `yield` stores the coroutine in `task` and
    resumes it later.  `hints` counts the reasons to try at once instead of waiting:
    an edge-triggered event or a signal that came while no coroutine was waiting.  `ended` says
    that the stream has: a call will not block, however often it is tried.
    """

    __slots__ = ("ended", "hints", "task")

    def __init__(self, hints: int = 0) -> None:
        self.task: Task | None = None
        self.hints = hints
        self.ended = False

    def __await__(self) -> Generator[Waiter, None, None]:
        yield self


NO_WAITER = Waiter()
"""Instead of one that has not been needed yet: no coroutine is ever parked here."""
