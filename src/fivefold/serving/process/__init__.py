"""process: a process per connection, from a pool.

    forker ─┬─ acceptor     accepts, hands each connection to an idle child
            ├─ child        serves one connection at a time
            └─ child ...

Promises.  The worker's main process is the forker: it has no threads, no I/O model and
no connection, so what it forks is clean, whatever the I/O model keeps in its threads
and rings.  The acceptor and every child make an I/O model of their own.  A child serves
one connection at a time; it is forked on demand, a few ahead, and with `fresh` it ends
after one connection.  A crash takes the one connection of its process; the forker
replaces the process when it is missed, after a pause if children die before they are idle;
if none was ever idle, `YOUNG_DEATHS` deaths are the end of the start.
An acceptor that dies is replaced, too; the children of the old one serve on to the end of
their connections.  A forker that dies costs no client: its acceptor and its children go on
until the worker that replaces it serves (`processes.supervision.succession`).  A process that
the kernel refuses is asked for again later.  When all children are busy the acceptor stops
accepting, and the kernel's queue holds the rest, unless they are to be refused (`refusing`).
Signals: LEAVE (`stopping`) stops (the forker passes it on, and to the children SIGUSR1 if
an application has a handler for it), SIGCHLD in the forker; the I/O model may use real-time signals
in the acceptor and the children.
"""

from __future__ import annotations

import os

from ...processes import flushing
from ..base import ServingModel, ServingTraits
from .forker import Forker


class Process(ServingModel):
    """A pool of processes, one connection each."""

    name = "process"
    traits = ServingTraits(
        runs="a process of a pool",
        crash_takes="its own client only",
        default_connections=256,
        one_thread=False,
        many_threads=False,
        scales_by_workers=False,
        can_be_fresh=True,
    )

    # runs in: a child

    def cannot_go_on(self) -> None:
        os._exit(0)  # on purpose: with its connection, and no other

    # runs in: the forker

    def run(self) -> None:
        self.hooks.started()
        flushing.hand_down()
        Forker(self).run()  # the byte of the signal that calls `stop` ends its wait
