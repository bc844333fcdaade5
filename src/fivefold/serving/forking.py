"""Forking a child that has a life of its own and never returns into its parent's code."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from typing import NoReturn

from ..errors import ApplicationError, FivefoldError
from ..linux.process_control import die_with_parent

log = logging.getLogger("fivefold.serving")

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1)
"""Signals for which somebody in the process tree has a handler."""


def forked(life: Callable[[], object]) -> int:
    """Fork; the child runs `life` and exits: 0, or 1 if `life` raised. The parent gets the pid.

    The child starts without the parent's signal handlers, mask and wake-up descriptor.
    It ignores SIGINT, which a terminal sends to the whole tree: stopping is decided in
    one place and arrives as SIGTERM, which it also gets when its parent dies; and SIGUSR1,
    which may come before it has a handler, or to the whole tree.
    """
    parent = os.getpid()
    # Blocked across the fork, so that no handler of the parent runs in the child.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    try:
        pid = os.fork()
        if pid == 0:
            _live(life, parent, mask)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _live(life: Callable[[], object], parent: int, mask: set[signal.Signals | int]) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, set(mask) - set(HANDLED))
        die_with_parent(signal.SIGTERM)
        if os.getppid() == parent:  # else it died before we could ask to be told
            life()
        code = 0
    except FivefoldError as error:
        log.error("%s", error)
        code = error.exit_status
    except BaseException:
        log.exception("a process of the server failed")
    finally:
        # No clean-up of what belongs to the parent: no atexit, no buffers written twice.
        os._exit(code)


def reap(pid: int) -> int | None:
    """The wait status of a child that has ended, None while it lives."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return status if ended else None


def cannot_start(status: int) -> bool:
    """Whether a wait status says that the application cannot be started: not here, not again."""
    return os.waitstatus_to_exitcode(status) == ApplicationError.exit_status


def describe(status: int) -> str:
    """A wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"exited with {code}"
