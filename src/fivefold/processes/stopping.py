"""How a process in which an application lives is told to end, whatever that does with signals.

Facts.        A signal has one handler, and the last that is set wins.  Applications and their
              libraries take SIGTERM and SIGINT when they are imported, in a lifespan
              (`loop.add_signal_handler`) or in a handler; a server that listens to SIGTERM
              alone would then never stop gently, and be killed with all its clients.
Choice.       Between our processes a real-time signal of our own says that it is time to leave.
              SIGTERM from elsewhere means the same.  What the application has set for SIGTERM
              and SIGINT is looked at when it is loaded, when it has started and when we leave:
              it is said, and called from our own handler, so that what it raises (SystemExit,
              as a rule) ends nothing.  A loop's handlers are called by the loop, which hears of
              signals from the wake-up descriptor.
              An application that blocks all signals at its start blocks ours only until then.
Assumption.   No code takes our own signal, or blocks it later in the main thread; if some code
              does, the process is killed when its grace is over.
              What a handler sets while it is served is raw until we leave:
              a SIGTERM or SIGINT for the whole process group may raise in the middle of ours.
              A handler that restores the default action and sends itself the signal again
              ends the process at once, as it says.
Cost.         Two getsignal() and a pthread_sigmask(), three times in the life of a process.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from ..isolation.descendants import descendants, is_ours
from ..isolation.reporting import is_a, logger, report
from .stack import STACK

log = logger("fivefold.serving")

LEAVE = signal.SIGRTMIN + 13
"""Next to the one that asks for a stack (`stack`)."""

OURS = (LEAVE, STACK)
"""What no application has a reason to block, except by blocking all."""

TAKEN = (signal.SIGTERM, signal.SIGINT)
"""What applications take over."""


class Stopping:
    """What ends one process: our handlers, and those of the application behind them."""

    def __init__(self) -> None:
        self._theirs: dict[int, Any] = {}
        self._stop: Callable[[], object] = int
        self._again: Callable[[], object] = int
        self._is_leaving = self._has_called = False
        self._says = True

    def begin(
        self, stop: Callable[[], object], *, again: Callable[[], object] = int, says: bool = True
    ) -> None:
        """From now on `stop` is called, once, when this process shall leave, and `again` when it
        is asked another time; in a signal handler.

        Again in a process that was forked from this one: the application's handlers stay.
        `says`: whether the log has a line about what is set until the application has started;
        of many processes that start alike one is enough.
        """
        self._stop, self._again, self._says = stop, again, says
        self._is_leaving = self._has_called = False
        signal.signal(LEAVE, self._leave)
        self.look(said=set(self._theirs))
        signal.signal(signal.SIGTERM, self._terminate)
        if signal.SIGINT in self._theirs:
            signal.signal(signal.SIGINT, self._interrupt)
        descendants.give_up(self._give_up)

    def look(self, said: Any = ()) -> None:
        """Take back what the application has taken since the last look; `said`: whose line is
        in the log already."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
        for number, ours in zip(TAKEN, (self._terminate, self._interrupt), strict=True):
            handler = signal.getsignal(number)
            if handler == ours or is_default(number, handler):
                continue
            self._theirs[number] = handler
            signal.signal(number, ours)
            if self._says and number not in said:
                log.warning(
                    "the application has set a handler of its own for %s (%s): the server calls it"
                    " when it stops, and stops gently all the same",
                    signal.Signals(number).name,
                    described(handler),
                )

    def _leave(self, *_: object) -> None:
        if self._is_leaving:
            self._again()
        self._begin_to_leave()
        self._says = True  # what a handler has set is known to its process alone
        self.look()
        if signal.SIGTERM in self._theirs and not self._has_called:
            signal.raise_signal(signal.SIGTERM)  # a loop hears of it as well

    def _terminate(self, *arguments: Any) -> None:
        self._begin_to_leave()
        if not self._has_called:
            self._has_called = True
            self._call(signal.SIGTERM, arguments)

    def _interrupt(self, *arguments: Any) -> None:
        """A terminal sends it to the supervisor as well, which decides."""
        self._call(signal.SIGINT, arguments)

    def _begin_to_leave(self) -> None:
        if not self._is_leaving:
            self._is_leaving = True
            self._stop()

    def _call(self, number: signal.Signals, arguments: tuple[Any, ...]) -> None:
        handler = self._theirs.get(number)
        if not callable(handler):
            return
        try:
            handler(*arguments)
        except BaseException as error:  # noqa: BLE001 - the edge of an application
            descendants.end_if_copy(error)
            if not is_a(error, SystemExit, KeyboardInterrupt):  # the end comes anyway
                report(log, "the application's handler for %s failed", number.name, error=error)
        descendants.end_if_copy()

    def _give_up(self) -> None:
        """In a process that the application forks: its own handlers, and none of ours."""
        signal.signal(LEAVE, signal.SIG_DFL)
        for number, handler in self._theirs.items():
            if handler is not None:
                signal.signal(number, handler)


def is_default(number: int, handler: Any) -> bool:
    """Whether it is as we have left it in a new process."""
    if number == signal.SIGTERM and handler == signal.SIG_DFL:
        return True
    return is_ours(handler) and not is_of_a_loop(handler)


def is_of_a_loop(handler: Any) -> bool:
    return getattr(handler, "__module__", "") == "asyncio.unix_events"


def described(handler: Any) -> str:
    if isinstance(handler, signal.Handlers):
        return handler.name
    if is_of_a_loop(handler):
        return "loop.add_signal_handler"
    return f"{getattr(handler, '__module__', '?')}.{getattr(handler, '__qualname__', handler)}"
