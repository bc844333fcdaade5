"""The Python stack of a process that will be killed, so that the log says what it hung in.

Facts.        faulthandler(3)'s handler is C and takes no lock and no GIL: it writes the stacks
              of all threads while one of them is stuck in C code, or holds the GIL for good.
Choice.       A real-time signal of our own, because the application may use SIGUSR1, SIGUSR2
              and `faulthandler.enable`; `register` has a place for each signal.
Assumption.   No code of the application takes this signal or calls `unregister` for it.  If
              some does, there is no stack, and the process is killed all the same.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal

from ..linux.standard_descriptors import STDERR

STACK = signal.SIGRTMIN + 12
"""The lowest are for C libraries, `sigio` takes the tenth and the eleventh."""

STACK_S = 0.5
"""How long it may take to write it: a hundred threads are a few milliseconds."""


def show_when_asked() -> None:
    """In the process itself; its children inherit it. To the descriptor: `sys.stderr` may be
    the application's by now."""
    with contextlib.suppress(OSError, RuntimeError, ValueError):
        faulthandler.register(STACK, file=STDERR, all_threads=True)


def ask(pid: int) -> None:
    """Raises OSError. Ends a process that does not show its stack."""
    os.kill(pid, STACK)
