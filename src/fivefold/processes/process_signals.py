"""The signals of a process, whichever of its threads the kernel gives them to.

Facts.        A signal for a process goes to any thread that does not block it (signal(7)), and
              the mask is a thread's own.  Where a program embeds the server and has a second
              thread, what the main thread blocks and would read from a signalfd is delivered
              there: its default action ends the process, SIGCHLD is lost.
Choice.       The main thread blocks them and reads them in order; for those that another thread
              is given there is a handler that does nothing, whose C part has written the number
              to the wake-up descriptor before (`signal.set_wakeup_fd`).
Assumption.   No other code sets handlers or the wake-up descriptor meanwhile; Python lets only the
              main thread do so, and that one is here.  A handler that was not set by Python
              cannot be set again: the default action stays.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Collection, Iterator
from typing import Any, Self

from ..isolation.descendants import descendants
from ..linux.signals import SignalFile
from .forking import pass_over

AT_ONCE = 16
"""So many are read in one go."""


class ProcessSignals:
    """`numbers`, taken from the program while it is entered, in the main thread."""

    def __init__(self, numbers: Collection[int]) -> None:
        self._numbers = numbers

    def __enter__(self) -> Self:
        """Raises OSError."""
        numbers = self._numbers
        with contextlib.ExitStack() as undo:
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
            undo.callback(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
            with contextlib.ExitStack() as files:
                self._queue = SignalFile(numbers, AT_ONCE)
                files.callback(self._queue.close)
                self._woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
                files.callback(os.close, self._woken)
                files.callback(os.close, wakes)
                self._files = undo.enter_context(files.pop_all())
            for number in numbers:
                undo.callback(restore, number, signal.signal(number, pass_over))
                signal.siginterrupt(number, False)  # for calls of other threads
            before = signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
            undo.callback(signal.set_wakeup_fd, before)
            # A byte that a fork of the program writes is not for us.
            descendants.give_up(self.close_copies)
            undo.callback(descendants.keep, self.close_copies)
            self._undo = undo.pop_all()
        self.fds = (self._queue.fd, self._woken)
        """Readable when there is a signal."""
        return self

    def received(self) -> Iterator[int]:
        """Their numbers, without waiting."""
        while self._queue.take():
            yield from self._queue.numbers()
        with contextlib.suppress(BlockingIOError):
            while True:
                yield from os.read(self._woken, AT_ONCE)

    def close_copies(self) -> None:
        """In a process that was forked, whose handlers are reset: the descriptors are not its."""
        self._files.close()

    def __exit__(self, *_: object) -> None:
        """As it was before."""
        self._undo.close()


@contextlib.contextmanager
def ending_once() -> Iterator[None]:
    """SIGTERM and SIGINT that come before `ProcessSignals` is entered wait for it; those that come
    after it, while the last is put away, ask for what is done already and end nothing."""
    numbers = {signal.SIGTERM, signal.SIGINT}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        while signal.sigtimedwait(numbers - mask, 0):
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def restore(number: int, handler: Callable[..., Any] | int | None) -> None:
    signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextlib.contextmanager
def stoppable(show: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """Ctrl-C and SIGTERM end the block, once: ending the servers is not interrupted again.
    Raises KeyboardInterrupt.

    The value is `show`, to be called before each step: an exception that a signal raises is
    dropped where no code can take it, in a finalizer or a callback of logging.
    """
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    def step(text: str) -> None:
        if stopped:
            raise KeyboardInterrupt
        show(text)

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in before:
        signal.signal(each, stop)
    try:
        yield step
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
