"""The forker of the process model: forks the acceptor and the children, reaps and replaces them.

It is one `select` over its signals, the wishes of the acceptor, and what children say of their
start (`ready_pipe`), until something is due: of itself, or of those that look after what is stuck
(`pulses`), is to be killed (`condemned`), or shall end (`leaving`).  What it has forked lives by
`lives`.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
from functools import partial
from time import monotonic
from typing import Any

from ...errors import ApplicationError, WorkerFailed
from ...isolation.descendants import descendants
from ...processes.backoff import LONGEST_CRASH_PAUSE_S, LONGEST_PAUSE_S, YOUNG_DEATHS, Backoff
from ...processes.forking import describe, forked, is_clean, reap, send
from ...processes.ready_pipe import Announcement, Attentions
from ...processes.stopping import LEAVE
from ...processes.titles import title
from ..base import ServingModel, log
from .acceptor_handle import AcceptorHandle
from .channel import GONE, STARTED, ends, send_message
from .condemned import Condemned
from .leaving import Leaving
from .lives import Lives
from .occupied import Occupied
from .pulses import Pulses

STUCK = "it is stuck for %.1f s (--stuck-s)"


class Forker:
    """Of one worker, in the main thread of its process."""

    def __init__(self, model: ServingModel) -> None:
        self._model = model
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
        options = model.options
        self._pulses = Pulses(options.stuck_s, options.max_connections, model.on_ready.alive)
        self._occupied = Occupied(options.max_connections)
        self._condemned = Condemned()
        self._leaving = Leaving()
        # Of the acceptor.
        self._acceptor: AcceptorHandle | None = None
        self._acceptor_backoff = Backoff()
        # Of what it forks.
        self._lives = Lives(model, self._say, (self._wake_read, self._wake_write))

    def run(self) -> None:
        """Until the model is stopped and all have ended. Raises `OSError` (no acceptor),
        `ApplicationError` (no child can start), `WorkerFailed` (one did not end cleanly)."""
        descendants.give_up(self._give_up)
        self._begin_accepting()
        signal.signal(signal.SIGCHLD, lambda *_: None)  # its byte in the pipe is what counts
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))  # the application's import
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        while not self._model.stopping or self._acceptor or self._children:
            self._turn()
        self._said.close()
        self._say.close()
        if self._failure is not None:
            raise self._failure
        if self._unclean:
            raise WorkerFailed(self._unclean)

    # runs in: the forker

    def _turn(self) -> None:
        """Do whatever is due, then wait for a signal or a wish of the acceptor."""
        now = monotonic()
        if self._model.stopping and not self._leaving.begun:
            self._reap()  # one that died by itself was not asked to end
            self._pass_on()
        self._leaving.go_on(now, self._acceptor_pid, self._children)
        self._condemned.go_on(now)
        if now >= self._pulses.due:
            self._end_stuck(now)
        if self._lacks_acceptor and now >= self._acceptor_backoff.at:
            self._replace_acceptor()
        while (acceptor := self._waiting_acceptor) and now >= self._fork_backoff.at:
            acceptor.wanted -= 1
            self._fork_child(acceptor)
        self._wait()
        self._reap()

    @property
    def _lacks_acceptor(self) -> bool:
        return self._acceptor is None and not self._model.stopping

    @property
    def _acceptor_pid(self) -> int | None:
        return self._acceptor.pid if self._acceptor else None

    @property
    def _waiting_acceptor(self) -> AcceptorHandle | None:
        """That wishes for a child which it may have."""
        acceptor = self._acceptor
        if acceptor and acceptor.wanted and len(self._children) < acceptor.most:
            return acceptor
        return None

    def _wait(self) -> None:
        sources: list[Any] = [self._wake_read, self._said.pipe]
        sources += [self._acceptor.wishes] if self._acceptor else []
        until = self._next_due() - monotonic()
        select.select(sources, [], [], max(0.0, until) if until < math.inf else None)
        with contextlib.suppress(BlockingIOError):
            if signal.SIGUSR1 in os.read(self._wake_read, 4096):
                for pid in self._children:
                    send(pid, signal.SIGUSR1)
        if self._acceptor:
            self._acceptor.hear()
        self._hear_children()

    def _next_due(self) -> float:
        due = min(self._leaving.due, self._condemned.due, self._pulses.due)
        if self._lacks_acceptor:
            due = min(due, self._acceptor_backoff.at)
        if self._waiting_acceptor:
            due = min(due, self._fork_backoff.at)
        return due

    def _hear_children(self) -> None:
        """A child that is idle, or cannot be; if none ever was, it is not the child's fault."""
        idle, reason = self._said.heard()
        for pid in idle:
            self._condemned.is_ready(pid)
        if idle:
            self._proved = True
            self._fork_backoff.succeeded()
        if not reason or self._model.stopping:
            return
        text = f"no connection process can start: {reason}"
        if not self._proved:
            self._fail(text)
        elif self._fork_backoff.failed(monotonic(), reason):
            log.error("%s; trying again", text)

    def _fail(self, text: str) -> None:
        self._failure = ApplicationError(text)
        self._model.stopping = True

    def _replace_acceptor(self) -> None:
        try:
            self._begin_accepting()
        except (OSError, MemoryError) as error:
            if self._acceptor_backoff.failed(
                monotonic(), str(error), longest_s=LONGEST_CRASH_PAUSE_S
            ):
                log.error("no acceptor can be had: %s; trying again", error)

    def _begin_accepting(self) -> None:
        options, pulse = self._model.options, self._pulses.new()
        self._acceptor = AcceptorHandle(
            options.max_connections,
            partial(self._lives.accept, pulse),
            refuses=options.refusal is not None,
        )
        self._pulses.began(self._acceptor.pid, pulse)

    def _fork_child(self, acceptor: AcceptorHandle) -> None:
        """Fork a child; if the kernel refuses, the wish stays, and is tried again later."""
        self._forked += 1
        number = self._forked
        try:
            ours, theirs = ends()
        except OSError as error:
            self._refused(acceptor, error)
            return
        theirs.setblocking(True)  # whatever `socket.setdefaulttimeout` says
        with theirs:
            pulse, place = self._pulses.new(), self._occupied.new()
            # Announced first, so that it is known when it says that it is idle.
            try:
                with ours:
                    send_message(acceptor.channel, STARTED, number, ours)
            except GONE:
                return  # it has ended since it wished, and is reaped in this turn
            except OSError as error:
                self._refused(acceptor, error)
                return
            try:
                pid = forked(
                    lambda: self._lives.serve(acceptor, number, theirs, pulse, place),
                    f"connection process of {title.name}",
                    with_application=True,
                    ended_by=LEAVE,
                )
            except (OSError, MemoryError) as error:
                acceptor.say_ended(number)
                self._refused(acceptor, error)
                return
        self._children[pid] = number
        self._pulses.began(pid, pulse)
        self._occupied.began(pid, place)
        if (startup_s := self._model.options.startup_s) is not None:
            self._condemned.unless_ready(pid, monotonic() + startup_s)

    def _refused(self, acceptor: AcceptorHandle, error: BaseException) -> None:
        acceptor.wanted += 1
        if self._fork_backoff.failed(monotonic(), str(error), longest_s=LONGEST_CRASH_PAUSE_S):
            log.error("no connection process can be had: %s; trying again", error)

    def _reap(self) -> None:
        """Reap by pid: an embedding program may have children of its own."""
        for pid, number in list(self._children.items()):
            status = reap(pid)
            if status is None:
                continue
            del self._children[pid]
            self._condemned.is_reaped(pid)
            self._pulses.ended(pid)
            self._occupied.ended(pid)
            if self._acceptor:
                self._acceptor.say_ended(number)
            if self._leaving.has_cut(status):
                self._model.on_ready.draining.have_been_cut(1)
            elif self._leaving.begun and not is_clean(status):
                self._unclean = f"a connection process ({pid}) {describe(status)}"
            elif not self._leaving.begun:
                self._died_by_itself(pid, status)
        if self._acceptor and (status := reap(self._acceptor.pid)) is not None:
            self._acceptor_died(self._acceptor, status)
        if self._leaving.begun:
            self._model.on_ready.draining.left(len(self._occupied))

    def _died_by_itself(self, pid: int, status: int) -> None:
        """If none was ever idle, not even a clean end is what was asked for."""
        if status:
            log.error("a connection process (%d) %s", pid, describe(status))
            self._model.has_lost()
        self._hear_children()  # what it has said counts more than its death
        if not status and self._proved:
            return
        longest_s = LONGEST_CRASH_PAUSE_S if self._proved else LONGEST_PAUSE_S
        self._fork_backoff.failed(monotonic(), "", free=1, longest_s=longest_s)
        hopeless = not self._proved and self._fork_backoff.failures >= YOUNG_DEATHS
        if hopeless and not self._model.stopping:
            death = f"it {describe(status)} before it was ready"
            self._fail(f"no connection process becomes ready: {death}")

    def _end_stuck(self, now: float) -> None:
        """It alone: what it has forked goes on, and the others' connections do."""
        stopped = self._pulses.look(now)
        for pid, silence_s in [] if self._leaving.begun else stopped:
            log.error("%s is killed: %s", self._called(pid), STUCK % silence_s)
            self._condemned.soon(pid, now)

    def _called(self, pid: int) -> str:
        return f"{'acceptor' if pid == self._acceptor_pid else 'connection process'} {pid}"

    def _acceptor_died(self, acceptor: AcceptorHandle, status: int) -> None:
        self._acceptor = None
        acceptor.close()
        self._condemned.is_reaped(acceptor.pid)
        self._pulses.ended(acceptor.pid)
        if not self._model.stopping:
            log.error("the acceptor %s", describe(status))
            self._model.has_lost()
            now = monotonic()
            self._acceptor_backoff.crashed(now, now - acceptor.since)

    def _pass_on(self) -> None:
        for sock in self._model.listeners:
            sock.close()
        self._leaving.begin(self._model.options.grace, self._acceptor_pid, self._children)

    # runs in: what the application forks in the forker

    def _give_up(self) -> None:
        for sock in self._model.listeners:
            sock.close()
        if self._acceptor:
            self._acceptor.close()
        self._say.close()
        self._model.on_ready.close()
