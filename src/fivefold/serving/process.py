"""process: a process per connection, from a pool.

    forker ─┬─ acceptor     accepts, hands each connection to an idle child
            ├─ child        serves one connection at a time
            └─ child ...

Promises.  The worker's main process is the forker: it has no threads, no I/O model and
no connection, so what it forks is clean, whatever the I/O model keeps in its threads
and rings.  The acceptor and every child make an I/O model of their own.  A child serves
one connection at a time; it is forked on demand, a few ahead, and with `fresh` it ends
after one connection.  A crash takes the one connection of its process; the forker
replaces the process when it is missed.  When all children are busy the acceptor stops
accepting, and the kernel's queue holds the rest.  Signals: SIGTERM stops (the forker
passes it on, and to the children SIGUSR1 if somebody has a handler for it), SIGCHLD in the
forker; the I/O model may use real-time signals in the acceptor and the children.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
from time import monotonic
from typing import Any

from ..errors import ApplicationError, FivefoldError, WorkerFailed
from .base import ServingModel, ServingTraits, log
from .forking import cannot_start, describe, forked, reap
from .process_acceptor import Acceptor
from .process_channel import BORN, DEAD, MESSAGE, capacity, pair, tell
from .process_child import Child

CRASHED_GRACE_S = 1.0
"""How long the children may finish when the acceptor has died: nobody accepts meanwhile."""


class Process(ServingModel):
    """The forker of a pool of processes, one connection each."""

    name = "process"
    traits = ServingTraits(
        runs="a process of a pool",
        crash_takes="its own connection only",
        default_connections=256,
        one_thread=False,
        many_threads=False,
        scales_by_workers=False,
        can_be_fresh=True,
    )

    def run(self) -> None:
        self._to_acceptor, acceptor_inbox = pair()
        self._inbox, to_forker = pair()
        # A child may have two messages under way, and no sender may ever block.
        self._limit = min(self.options.max_connections, capacity(self._to_acceptor) // 2)
        self._children: dict[int, int] = {}  # pid: the number that the acceptor knows
        self._births = 0
        self._wanted = 0
        self._kill_at = math.inf
        self._failure: FivefoldError | None = None
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.house.begin()
        signal.signal(signal.SIGCHLD, lambda *_: None)  # its byte in the pipe is what counts
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._acceptor = forked(lambda: self._accept(acceptor_inbox, to_forker))
        for not_ours in (acceptor_inbox, to_forker, *self.listeners):
            not_ours.close()
        while self._acceptor or self._children:
            self._turn()
        if self._failure is not None:
            raise self._failure

    # runs in: the forker

    def stop(self) -> None:
        self.stopping = True  # the signal's byte in the pipe ends the wait

    def _turn(self) -> None:
        """Wait for a signal or a wish of the acceptor, then do whatever is due."""
        sources: list[Any] = [self._wake_read, *([self._inbox] if self._acceptor else [])]
        until = self._kill_at - monotonic()
        select.select(sources, [], [], max(0.0, until) if until < math.inf else None)
        with contextlib.suppress(BlockingIOError):
            if signal.SIGUSR1 in os.read(self._wake_read, 4096):
                self._notify()
        with contextlib.suppress(BlockingIOError):
            while self._inbox.recv(MESSAGE.size):
                self._wanted += 1
        self._bury()
        if self.stopping and self._kill_at == math.inf:
            self._pass_on(self.options.grace_s)
        if monotonic() >= self._kill_at:
            self._kill()
        while self._wanted and self._acceptor and len(self._children) < self._limit:
            self._wanted -= 1
            self._bear()

    def _notify(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGUSR1)

    def _bear(self) -> None:
        self._births += 1
        number = self._births
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # Announced first, so that it is known when it says that it is idle.
        try:
            with ours:
                tell(self._to_acceptor, BORN, number, ours)
        except OSError:  # it has ended since it wished, and is reaped in the next turn
            theirs.close()
            return
        with theirs:
            pid = forked(lambda: self._serve(number, theirs))
        self._children[pid] = number

    def _bury(self) -> None:
        """Reap by pid: whoever embeds the server may have children of its own."""
        for pid, number in list(self._children.items()):
            status = reap(pid)
            if status is None:
                continue
            del self._children[pid]
            if self._acceptor:
                with contextlib.suppress(OSError):  # it has ended, and is reaped below
                    tell(self._to_acceptor, DEAD, number)
            if status and not self.stopping:
                log.error("a connection process (%d) %s", pid, describe(status))
                if cannot_start(status):
                    self._fail(ApplicationError("no connection process can start"))
        status = reap(self._acceptor) if self._acceptor else None
        if status is not None:
            self._acceptor = 0
            if not self.stopping:
                log.error("the acceptor %s", describe(status))
                self._fail(WorkerFailed("the acceptor of the process pool died"))

    def _fail(self, error: FivefoldError) -> None:
        self._failure = error
        self.stopping = True
        self._pass_on(CRASHED_GRACE_S)

    def _pass_on(self, grace_s: float) -> None:
        self._kill_at = monotonic() + grace_s
        for pid in (self._acceptor, *self._children):
            if pid:
                os.kill(pid, signal.SIGTERM)

    def _kill(self) -> None:
        for pid in (self._acceptor, *self._children):
            if pid:
                os.kill(pid, signal.SIGKILL)
        self._kill_at = monotonic() + CRASHED_GRACE_S

    # runs in: the acceptor

    def _accept(self, inbox: socket.socket, to_forker: socket.socket) -> int:
        self._forget_forker()
        Acceptor(self, inbox, to_forker).run()
        return 0

    # runs in: a child

    def _serve(self, number: int, channel: socket.socket) -> int:
        to_acceptor = self._to_acceptor.dup()
        self._forget_forker()
        Child(self, number, channel, to_acceptor).run()
        return 0

    def _forget_forker(self) -> None:
        """Close what only the forker may hold, or nobody would see the other's end."""
        self._inbox.close()
        self._to_acceptor.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
