"""Running coroutines: what a connection, and content that waits on it, ask of an I/O model.

Apart from the rest of a model, because a model makes connections, and these know no more of it
than this.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from .waiter import Task, Waiter


class TaskRunner(ABC):
    """What drives the coroutines of one thread, that of its maker."""

    def __init__(self) -> None:
        self.woken = Waiter()
        """Awaited by the coroutine that wants to know that `wake` was called."""
        self.thread = threading.get_ident()
        """Which one this runs in, for content that has to know."""
        self._ticked: Callable[[], None] = nothing
        """Called by the model, see `on_tick`."""

    @abstractmethod
    def run(self, main: Task) -> Any:
        """Drive `main`, and all that it spawns meanwhile, until `main` returns.

        May be called in a coroutine that this drives: the others go on, that one waits.
        """

    @abstractmethod
    def spawn(self, task: Task) -> None:
        """Drive `task` beside the others; where `traits.overlaps` is False, to its end, now.

        What it raises is logged, and ends it alone.
        """

    def spawn_now(self, task: Task) -> None:
        """Drive `task` at once until it waits, where that can be; from then on as `spawn`."""
        self.spawn(task)

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Let others run for so long; precise to the model's own wait."""

    @abstractmethod
    def resume(self, waiter: Waiter) -> None:
        """Let the coroutine that awaits `waiter`, if any, go on in the next turn."""

    @abstractmethod
    def resume_threadsafe(self, waiter: Waiter) -> None:
        """Resume `waiter` soon; unlike `resume`, from any thread."""

    @abstractmethod
    def wake(self) -> None:
        """End the current wait, and resume what awaits `woken`; from any thread or handler."""

    @property
    @abstractmethod
    def wake_fd(self) -> int:
        """A descriptor for `signal.set_wakeup_fd`, or -1 where waits end by themselves."""

    def give_up(self) -> None:
        """In a process that an application has forked, perhaps more than once: let go of what is
        shared with the parent, and would be taken away from it there; and resume nothing."""
        return

    def on_tick(self, call: Callable[[], None]) -> None:
        """Have `call` called from now on about once every `tick_s`, in this thread, also while
        nothing happens; more often does no harm."""
        self._ticked = call


def nothing() -> None:
    """What is done at each tick, or where a descriptor is wanted, unless a caller wants more."""
