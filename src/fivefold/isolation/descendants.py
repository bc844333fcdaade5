"""What an application forks from a process of the server: a copy that must keep nothing of it.

Facts.        A forked process has all descriptors, signal handlers and the wake-up descriptor of
              its parent: `multiprocessing.Process.terminate` has no effect where SIGTERM has a
              handler that stops a server; a connection is not closed while a copy is open, nor
              a port given back; a byte in a shared wake-up pipe wakes another process.
Choice.       A hook of `os.register_at_fork` gives back, in the child: signals, the listening
              sockets, the connections, the channels between our processes.  In the parent
              connections are shut down before they are closed from then on, for what was
              being accepted at the moment of the fork.
Assumption.   It forks by Python (`os.fork`, multiprocessing).  A C library that forks by itself
              calls no hook; a program that is executed keeps nothing (O_CLOEXEC).
              A handler of the application's own for a signal is the application's, and stays.
Cost.         Nothing before the first such fork; then one shutdown(2) for each connection that
              is closed, 0.6 us.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn

from .reporting import logger

log = logger("fivefold.serving")

RESET = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGURG,
    signal.SIGALRM,
)
"""Signals for which we have handlers, beside SIGINT."""

OF_MODELS = {signal.SIGIO, *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)}
"""What an I/O model may have blocked."""

OURS = "fivefold."
"""How the modules of our handlers begin."""

ASYNCIO = "asyncio."
"""Handlers that only wake a loop, which does not run in the child."""


class Descendants:
    """Of this process: what they give up. Made once; `ours` begins anew in each process."""

    def __init__(self) -> None:
        self.is_copy = False
        """Whether this process was forked by an application, and not by us."""
        self.exist = False
        """Whether an application has forked a process from this one."""
        self._forking = False
        self._given_up: list[Callable[[], object]] = []
        self._masks = threading.local()
        os.register_at_fork(
            before=self._before,
            after_in_parent=self._in_parent,
            after_in_child=self._in_child,
        )

    def give_up(self, *calls: Callable[[], object]) -> None:
        """Have `calls` made in a child that an application forks from this process. They take
        no locks: a thread that is not there any more may hold them."""
        self._given_up += calls

    def keep(self, call: Callable[[], object]) -> None:
        """There is nothing to give up any more with `call`."""
        with contextlib.suppress(ValueError):  # in a child of ours, which began anew
            self._given_up.remove(call)

    def end_if_copy(self, raised: BaseException | None = None) -> None:
        """Where code of the application has returned into the server: a child that it forked there
        has no business in it.  `raised`: by what it came; `sys.exit` is how such a process ends
        as a rule, and its status is kept."""
        if self.is_copy:
            if raised is not None and issubclass(type(raised), SystemExit):
                os._exit(status_of(raised))
            end_copy()

    @contextlib.contextmanager
    def ours(self) -> Iterator[None]:
        """Around a fork of ours: nothing is given up, and the child begins with nothing to."""
        parent = os.getpid()
        self._forking = True
        try:
            yield
        finally:
            self._forking = False
            if os.getpid() != parent:
                self._given_up.clear()

    @property
    def _applies(self) -> bool:
        return bool(self._given_up) and not self._forking

    def _before(self) -> None:
        """A signal for the child, a `terminate` right after its start, shall find the default
        action there, and not our handler, in which it would be lost."""
        if self._applies:
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, *RESET))
            self._masks.before = blocked

    def _in_parent(self) -> None:
        if self._applies:
            self.exist = True
            signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.before)

    def _in_child(self) -> None:
        if not self._applies:
            return
        self.is_copy = True
        signal.set_wakeup_fd(-1)
        reset_signals()
        attempt_each(self._given_up)
        self._given_up.clear()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.before - OF_MODELS)


def attempt_each(calls: Iterable[Callable[[], object]]) -> None:
    """Make all of `calls`: what cannot be given up, since another thread of the parent was closing
    it at the moment of the fork, keeps nothing else open."""
    for call in calls:
        with contextlib.suppress(Exception):
            call()


def status_of(leaving: BaseException) -> int:
    """What the interpreter would end with (`sys.exit`)."""
    code = getattr(leaving, "code", None)
    if code is None:
        return 0
    return code & 0xFF if type(code) is int else 1


def end_copy(*_: object) -> NoReturn:
    """A child that an application has forked in its handler has returned from there into the
    server, whose connections, threads and loops are not in it."""
    log.error("a process that the application forked returned into the server; it ends")
    os._exit(1)


def reset_signals() -> None:
    """Default actions where the handler is ours."""
    for number in RESET:
        if is_ours(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    if is_ours(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, signal.default_int_handler)


def is_ours(handler: Any) -> bool:
    module = getattr(handler, "__module__", None) or ""
    return module.startswith((OURS, ASYNCIO))


descendants = Descendants()
