"""Titles of processes: `ps ax` says who is who, e.g.

    fivefold: supervisor [shop:app] async+epoll http://127.0.0.1:8000
    fivefold: worker 2 [shop:app] async+epoll http://127.0.0.1:8000

Facts.        What ps(1) shows is the memory in which the kernel has left the words of the command
              line (proc(5), /proc/PID/cmdline).  `setproctitle` makes room for long titles
              by writing over the environment behind them, which tracers, and people, read.
Choice.       The same memory, and no more of it: a title that is too long is cut, so that which
              process it is comes first.  Each process that we fork has a title; the process of
              a program that embeds the server keeps its own, and only the command `fivefold serve`
              gives its process one.
Assumption.   /proc is there, else processes keep the titles that they have.  Nothing reads the
              words later: Python has copied them (`sys.orig_argv`) before it runs any code.
              A title is written by the parent, before the fork and back behind it; for that
              moment ps(1) shows the child's name twice.
Cost.         Two writes of 4 us for each fork, and the pages that they touch: at most 0.3 ms more
              around a bare fork of 0.6 ms.  Of the 11 ms of processor time that a connection costs
              under `process --fresh` it cannot be told from noise (300 connections, 4 runs each).
              Written by the child it would be 0.2 ms before its first client: each page that code
              touches there is copied.
"""

from __future__ import annotations

import contextlib

from ..linux.process_control import show_command_line
from ..linux.processes import TITLE


class ProcessTitle:
    """Of the present process: who it is, and what for."""

    def __init__(self) -> None:
        self.name = ""
        """Who it is, e.g. `worker 2`; "" in a process that is not ours."""
        self._purpose = ""

    def is_for(self, purpose: str) -> None:
        """What this process and those that it forks are there for."""
        self._purpose = purpose
        self.lend(self.name)

    def be(self, name: str) -> None:
        """Who this process is from now on, unless it was forked with that title."""
        was_lent, self.name = bool(self.name), name
        if not was_lent:
            self.lend(name)

    def lend(self, name: str) -> None:
        """Show this one: around a fork that of the child, in a process of ours."""
        if self.name:
            with contextlib.suppress(OSError):
                show_command_line(f"{TITLE.decode()}{name} {self._purpose}".rstrip())


title = ProcessTitle()
"""There is one in each process; what is forked has a copy."""
