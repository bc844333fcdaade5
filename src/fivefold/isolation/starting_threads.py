"""A thread of ours, in which code of an application may run.

Facts.        A daemon ends with its process, whatever it does; the others are waited for.  A new
              thread is a daemon if the one that starts it is (threading, `Thread.daemon`).
Consequence.  Our threads must be daemons, since a handler may never return; but the threads
              that a handler starts would be daemons as well, and cut off at every stop.
Choice.       A thread begins as a daemon, which the interpreter notes at that moment, and then
              says that it is none, which is what those that it starts inherit.
Assumption.   CPython 3.11 to 3.14: `_daemonic` is what is inherited, and nothing else.  A test
              starts a thread in a handler and stops the server.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


def start_thread(name: str, target: Callable[..., object], *arguments: Any) -> threading.Thread:
    """Raises RuntimeError if the system has no more threads for us."""
    thread = made_thread(name, target, *arguments)
    thread.start()
    return thread


def made_thread(name: str, target: Callable[..., object], *arguments: Any) -> threading.Thread:
    """The same, to be started by a caller that must know it before."""

    def life() -> None:
        vars(threading.current_thread())["_daemonic"] = False
        target(*arguments)

    return threading.Thread(target=life, name=name, daemon=True)
