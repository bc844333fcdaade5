"""Forking a child that has a life of its own and never returns into its parent's code."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import NoReturn

from ..errors import FivefoldError
from ..isolation.descendants import descendants, is_ours
from ..isolation.reporting import logger
from ..linux.process_control import die_with_parent
from .ending import disown
from .stack import stacks
from .stopping import LEAVE
from .titles import title

log = logger("fivefold.serving")

HANDLED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    LEAVE,
)
"""Signals for which a process of the tree has a handler."""

PASSED_OVER = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Signals that a process of ours may get, and that shall not end it."""


OF_APPLICATIONS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Signals for which an application may have handlers; the others are needed to end it."""


def forked(
    life: Callable[[], object],
    name: str,
    *,
    with_application: bool = False,
    ended_by: int = signal.SIGTERM,
) -> int:
    """Fork; the child runs `life` and exits: 0, or 1 if `life` raised. The parent gets the pid.
    `name`: who it is, for its title.

    The status says nothing else: an application may end its process with any (`ready_pipe`).
    Raises `OSError` (the kernel has no process for us).

    The child starts without the parent's signal handlers, mask and wake-up descriptor.
    It passes over SIGINT and SIGHUP, which a terminal sends to the whole tree: stopping and
    reloading are decided in one place, and a stop arrives as `ended_by`, which it also gets when
    its parent dies; and SIGUSR1 and SIGUSR2, which may come before it has a handler, or to the
    whole tree.  `with_application`: the parent has loaded the application, whose own handlers
    (`OF_APPLICATIONS`) stay in the child.
    """
    parent = os.getpid()
    flush_standard_streams()  # else the child would write the same at its end
    # Blocked across the fork, so that no handler of the parent runs in the child.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        title.lend(name)
        with descendants.ours():
            pid = os.fork()
        if pid == 0:
            _live(
                life,
                name,
                parent,
                mask,
                OF_APPLICATIONS if with_application else (),
                ended_by=ended_by,
            )
        return pid
    finally:
        title.lend(title.name)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _live(
    life: Callable[[], object],
    name: str,
    parent: int,
    mask: set[signal.Signals | int],
    keep: Iterable[signal.Signals],
    *,
    ended_by: int,
) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        set_handlers(keep)
        stacks.show_when_asked()
        disown()
        signal.pthread_sigmask(signal.SIG_SETMASK, set(mask) - set(HANDLED))
        die_with_parent(ended_by, parent)
        if os.getppid() == parent:  # else the signal is blocked, or not yet handled
            title.be(name)
            life()
        code = 0
    except FivefoldError as error:
        log.error("%s", error)
    except BaseException:
        log.exception("a process of the server failed")
    finally:
        # No clean-up of what belongs to the parent: no atexit, no buffers written twice.
        # A process in which an application has lived has done that before (`ending`).
        os._exit(code)


def end_child(pid: int) -> None:
    """By SIGTERM, and wait for its end."""
    try:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        pass  # it died, and as PID 1 the supervisor has reaped it


def set_handlers(keep: Iterable[signal.Signals]) -> None:
    """Those of a process that was just forked; of its parent's only foreign ones, for `keep`."""
    kept = {number: signal.getsignal(number) for number in keep}
    for number in HANDLED:
        signal.signal(number, signal.SIG_DFL)
    for number in PASSED_OVER:
        signal.signal(number, pass_over)
        signal.siginterrupt(number, False)
    for number, handler in kept.items():
        if callable(handler) and not is_ours(handler):
            signal.signal(number, handler)


def pass_over(*_: object) -> None:
    """Instead of SIG_IGN, which programs that an application starts would inherit: handlers are
    reset by execve(2), and so are these programs' to have their default actions."""


def flush_standard_streams() -> None:
    """They may be closed, None, or objects of the application's, which raise whatever they like."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()


def reap(pid: int, *, wait: bool = False) -> int | None:
    """The wait status of a child that has ended, None while it lives.

    A child that other code has reaped has ended, too; its status is lost, and 0 here.
    """
    try:
        ended, status = os.waitpid(pid, 0 if wait else os.WNOHANG)
    except ChildProcessError:
        return 0
    return status if ended else None


def send(pid: int, number: int) -> None:
    """A signal to a child, if it is still there: other code may have reaped it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def is_clean(status: int) -> bool:
    """Whether a process that was asked to end did so, or a signal ended it: its sender knows
    why.  Before a process has a handler, SIGTERM ends it."""
    return os.waitstatus_to_exitcode(status) <= 0


def describe(status: int) -> str:
    """A wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"was killed by {signal_name(-code)}"
    return f"exited with {code}"


def signal_name(number: int) -> str:
    """A real-time signal has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
