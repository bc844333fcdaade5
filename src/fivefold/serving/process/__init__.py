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
their connections.  A process that the kernel refuses is asked for again later.  When all
children are busy the acceptor stops accepting, and the kernel's queue holds the rest.
Signals: LEAVE (`stopping`) stops (the forker passes it on, and to the children SIGUSR1 if
somebody has a handler for it), SIGCHLD in the forker; the I/O model may use real-time signals
in the acceptor and the children.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
from collections.abc import Iterator
from time import monotonic
from typing import Any

from ...errors import ApplicationError, WorkerFailed
from ...isolation.descendants import descendants
from ...processes import ending, flushing, stack
from ...processes.forking import describe, forked, is_clean, reap, send
from ...processes.ready_pipe import Announcement, Attentions
from ...processes.slot import YOUNG_DEATHS, Backoff
from ...processes.stopping import LEAVE
from ..base import CUT_S, ServingModel, ServingTraits, log
from ..limit import SETTING, Limit
from .acceptor import Acceptor
from .channel import ENDED, GONE, MESSAGE, STARTED, capacity, ends, pair, tell
from .child import Child

OVERDUE = "it has not ended within the grace time; this is where it is:"

KILLED_AGAIN_S = 1.0
"""After SIGKILL, until it is sent again: what was forked meanwhile gets it, too."""


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

    def __init__(self, *given: Any, **named: Any) -> None:
        """Takes what every serving model takes."""
        super().__init__(*given, **named)
        # Of the run.
        heard, say = os.pipe2(os.O_CLOEXEC)
        self._said, self._say = Attentions(heard), Announcement(say)
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._proved = False
        """Whether any child was ever idle: the application can be started."""
        self._failure: ApplicationError | None = None
        self._unclean = ""
        # Of the children.
        self._children: dict[int, int] = {}
        """By process id: the number that the acceptor knows."""
        self._forked = 0
        self._fork_backoff = Backoff()
        # Of the acceptor of this moment.
        self._acceptor = 0
        """Its process id; 0 if there is none, and then no channel to it."""
        self._acceptor_since = 0.0
        self._acceptor_backoff = Backoff()
        self._limit = self.options.max_connections
        self._wanted = 0
        """So many children more."""
        # Of the end.
        self._cut_at = self._kill_at = math.inf
        self._passed_on = False
        """Whether all have been asked to end."""
        self._asked = False
        """Whether those that do not end have been asked where they are."""

    def run(self) -> None:
        self.hooks.started()
        flushing.hand_down()
        descendants.give_up(self._give_up)
        self._begin_accepting()
        signal.signal(signal.SIGCHLD, lambda *_: None)  # its byte in the pipe is what counts
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))  # the application's import
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        while not self.stopping or self._acceptor or self._children:
            self._turn()
        self._said.close()
        self._say.close()
        if self._failure is not None:
            raise self._failure
        if self._unclean:
            raise WorkerFailed(self._unclean)

    # runs in: the forker

    def stop(self) -> None:
        self.options.grace.begin()
        self.stopping = True  # the signal's byte in the pipe ends the wait

    def _turn(self) -> None:
        """Do whatever is due, then wait for a signal or a wish of the acceptor."""
        now = monotonic()
        if self.stopping and not self._passed_on:
            self._reap()  # who has died by itself was not asked to end
            self._pass_on()
        if now >= self._cut_at:
            self._cut()
        if now >= self._kill_at:
            self._kill()
        if not self.stopping and not self._acceptor and now >= self._acceptor_backoff.at:
            self._replace_acceptor()
        while self._may_fork(now):
            self._wanted -= 1
            self._fork_child()
        self._wait()
        self._reap()

    def _wait(self) -> None:
        sources: list[Any] = [self._wake_read, self._said.pipe]
        sources += [self._inbox] if self._acceptor else []
        until = self._next_due() - monotonic()
        select.select(sources, [], [], max(0.0, until) if until < math.inf else None)
        with contextlib.suppress(BlockingIOError):
            if signal.SIGUSR1 in os.read(self._wake_read, 4096):
                self._notify()
        if self._acceptor:
            self._hear()
        self._hear_children()

    def _next_due(self) -> float:
        due = min(self._cut_at, self._kill_at)
        if not self.stopping and not self._acceptor:
            due = min(due, self._acceptor_backoff.at)
        if self._wanted and self._acceptor and len(self._children) < self._limit:
            due = min(due, self._fork_backoff.at)
        return due

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while self._inbox.recv(MESSAGE.size):
                self._wanted += 1

    def _hear_children(self) -> None:
        """A child that is idle, or cannot be; if none ever was, it is not the child's fault."""
        idle, reason = self._said.heard()
        if idle:
            self._proved = True
            self._fork_backoff.succeeded()
        if not reason or self.stopping:
            return
        text = f"no connection process can start: {reason}"
        if not self._proved:
            self._failure = ApplicationError(text)
            self.stopping = True
        elif self._fork_backoff.failed(monotonic(), reason):
            log.error("%s; trying again", text)

    def _notify(self) -> None:
        for pid in self._children:
            send(pid, signal.SIGUSR1)

    def _replace_acceptor(self) -> None:
        try:
            self._begin_accepting()
        except (OSError, MemoryError) as error:
            if self._acceptor_backoff.failed(monotonic(), str(error)):
                log.error("no acceptor can be had: %s; trying again", error)

    def _begin_accepting(self) -> None:
        """Fork an acceptor; the children of one that died end when they are done.

        Raises `OSError`.
        """
        self._to_acceptor, acceptor_inbox = pair()
        self._inbox, to_forker = pair()
        # A child may have two messages under way, and no sender may ever block.
        bounds = {
            SETTING: self.options.max_connections,
            "net.core.wmem_max": capacity(self._to_acceptor) // 2,
        }
        limit = Limit(bounds)
        self._limit = limit.most
        self._wanted = 0
        self._acceptor = forked(
            lambda: self._accept(acceptor_inbox, to_forker, limit), ended_by=LEAVE
        )
        self._acceptor_since = monotonic()
        acceptor_inbox.close()
        to_forker.close()

    def _may_fork(self, now: float) -> bool:
        room = len(self._children) < self._limit if self._acceptor else False
        return bool(self._wanted) and room and now >= self._fork_backoff.at

    def _fork_child(self) -> None:
        """Fork a child; if the kernel refuses, the wish stays, and is tried again later."""
        self._forked += 1
        number = self._forked
        try:
            ours, theirs = ends()
        except OSError as error:
            self._refused(error)
            return
        theirs.setblocking(True)  # whatever `socket.setdefaulttimeout` says
        with theirs:
            # Announced first, so that it is known when it says that it is idle.
            try:
                with ours:
                    tell(self._to_acceptor, STARTED, number, ours)
            except GONE:
                return  # it has ended since it wished, and is reaped in this turn
            except OSError as error:
                self._refused(error)
                return
            try:
                pid = forked(
                    lambda: self._serve(number, theirs), with_application=True, ended_by=LEAVE
                )
            except (OSError, MemoryError) as error:
                self._say_ended(number)
                self._refused(error)
                return
        self._children[pid] = number

    def _refused(self, error: BaseException) -> None:
        self._wanted += 1
        if self._fork_backoff.failed(monotonic(), str(error)):
            log.error("no connection process can be had: %s; trying again", error)

    def _say_ended(self, number: int) -> None:
        with contextlib.suppress(OSError):  # it has ended, or will see the end of the channel
            tell(self._to_acceptor, ENDED, number)

    def _reap(self) -> None:
        """Reap by pid: an embedding program may have children of its own."""
        for pid, number in list(self._children.items()):
            status = reap(pid)
            if status is None:
                continue
            del self._children[pid]
            if self._acceptor:
                self._say_ended(number)
            if self._passed_on and not is_clean(status):
                self._unclean = f"a connection process ({pid}) {describe(status)}"
            elif not self._passed_on:
                self._died_by_itself(pid, status)
        status = reap(self._acceptor) if self._acceptor else None
        if status is not None:
            self._acceptor_died(status)

    def _died_by_itself(self, pid: int, status: int) -> None:
        """If none was ever idle, not even a clean end is what was asked for."""
        if status:
            log.error("a connection process (%d) %s", pid, describe(status))
        self._hear_children()  # what it has said counts more than its death
        if not status and self._proved:
            return
        self._fork_backoff.failed(monotonic(), "", free=1)
        hopeless = not self._proved and self._fork_backoff.failures >= YOUNG_DEATHS
        if hopeless and not self.stopping:
            death = f"it {describe(status)} before it was ready"
            self._failure = ApplicationError(f"no connection process becomes ready: {death}")
            self.stopping = True

    def _acceptor_died(self, status: int) -> None:
        self._acceptor = 0
        self._inbox.close()
        self._to_acceptor.close()
        if self.stopping:
            return
        log.error("the acceptor %s", describe(status))
        now = monotonic()
        self._acceptor_backoff.crashed(now, now - self._acceptor_since)

    def _pass_on(self) -> None:
        self._passed_on = True
        self._cut_at = self.options.grace.until()
        self._kill_at = self.options.grace.end() + CUT_S
        for sock in self.listeners:
            sock.close()
        for pid in (self._acceptor, *self._children):
            if pid:
                send(pid, LEAVE)

    def _cut(self) -> None:
        """The grace time is over: the connections are cut, and the application may end."""
        self._cut_at = math.inf
        for pid in self._children:
            send(pid, LEAVE)

    def _kill(self) -> None:
        """Who is left shows where it is, and is killed."""
        left = [pid for pid in (self._acceptor, *self._children) if pid]
        if not self._asked:
            self._asked = True
            self._kill_at = monotonic() + stack.STACK_S
            for pid in left:
                log.error("connection process %d is killed: %s", pid, OVERDUE)
                send(pid, stack.STACK)
            return
        for pid in left:
            send(pid, signal.SIGKILL)
        self._kill_at = monotonic() + KILLED_AGAIN_S

    # runs in: the acceptor

    def _accept(self, inbox: socket.socket, to_forker: socket.socket, limit: Limit) -> None:
        self._forget_forker()
        with self._saying_why():
            Acceptor(self, inbox, to_forker, limit).run()

    # runs in: a child

    def _serve(self, number: int, channel: socket.socket) -> None:
        to_acceptor = self._to_acceptor.dup()
        self._forget_forker()
        for sock in self.listeners:
            sock.close()
        child = Child(self, number, channel, to_acceptor, self._say)
        try:
            with self._saying_why():
                child.run()
        finally:
            ending.end(self.options.grace.end() - monotonic())

    @contextlib.contextmanager
    def _saying_why(self) -> Iterator[None]:
        """The forker hears from us why we cannot serve."""
        try:
            yield
        except Exception as error:
            if not self._say.failed(error):
                raise

    def _give_up(self) -> None:
        for sock in (*self.listeners, self._inbox, self._to_acceptor):
            sock.close()
        self._say.close()
        self.on_ready.close()

    def _forget_forker(self) -> None:
        """Close what only the forker may hold, or nobody would see the other's end."""
        self._inbox.close()
        self._to_acceptor.close()
        os.close(self._wake_read)
        os.close(self._wake_write)
