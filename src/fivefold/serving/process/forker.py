"""The forker of the process model: forks the acceptor and the children, reaps and replaces them.

It is one `select` over its signals, the wishes of the acceptor, and what children say of their
start (`ready_pipe`); whatever is due by some time has a clock here.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
from collections.abc import Iterator
from functools import partial
from time import monotonic
from typing import Any

from ...errors import ApplicationError, WorkerFailed
from ...isolation.descendants import descendants
from ...processes import ending, stack
from ...processes.backoff import LONGEST_CRASH_PAUSE_S, LONGEST_PAUSE_S, YOUNG_DEATHS, Backoff
from ...processes.forking import describe, forked, is_clean, reap, send
from ...processes.pulse import Pulse, begin_beating
from ...processes.ready_pipe import Announcement, Attentions
from ...processes.stopping import LEAVE
from ...processes.titles import title
from ..base import ServingModel, log
from ..limit import Limit
from ..open_connections import CUT_S
from .acceptor import Acceptor
from .acceptor_handle import AcceptorHandle
from .channel import GONE, STARTED, ends, send_message
from .child import Child
from .pulses import Pulses

OVERDUE = "it has not ended within the grace time; this is where it is:"
NOT_READY = "it was not ready in time (--startup-s); this is where it is:"
STUCK = "it is stuck for %.1f s (--stuck-s); this is where it is:"

HAS_CUT = 3
"""How a child ends that had to cut its connection; from one that was not asked to, or has not had
its grace time, it means nothing."""

SPREAD_S = 0.1
"""In which all children are asked to leave: their clients come to a successor that forks a child
for each, and all at once they would wait for the last one."""

KILLED_AGAIN_S = 1.0
"""After SIGKILL, until it is sent again: what was forked meanwhile gets it, too."""


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
        self._starting: dict[int, float] = {}
        """By process id: until when it must be idle (`startup_s`)."""
        self._killed_at: dict[int, float] = {}
        """When those are killed that were not."""
        self._fork_backoff = Backoff()
        options = model.options
        self._pulses = Pulses(options.stuck_s, options.max_connections, model.on_ready.alive)
        # Of the acceptor.
        self._acceptor: AcceptorHandle | None = None
        self._acceptor_backoff = Backoff()
        # Of the end.
        self._cut_at = self._kill_at = math.inf
        self._passed_on = False
        """Whether all are asked to end."""
        self._to_leave: list[int] = []
        """Children that will be asked."""
        self._leave_at = self._leave_pause_s = 0.0
        self._asked = False
        """Whether those that do not end have been asked where they are."""

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
        if self._model.stopping and not self._passed_on:
            self._reap()  # one that died by itself was not asked to end
            self._pass_on()
        self._dismiss(now)
        if now >= self._cut_at:
            self._cut()
        if now >= self._kill_at:
            self._kill()
        self._end_overdue(now)
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
                self._send_children(signal.SIGUSR1)
        if self._acceptor:
            self._acceptor.hear()
        self._hear_children()

    def _next_due(self) -> float:
        clocks = (*self._starting.values(), *self._killed_at.values())
        due = min(self._cut_at, self._kill_at, self._pulses.due, *clocks)
        if self._to_leave:
            due = min(due, self._leave_at)
        if self._lacks_acceptor:
            due = min(due, self._acceptor_backoff.at)
        if self._waiting_acceptor:
            due = min(due, self._fork_backoff.at)
        return due

    def _hear_children(self) -> None:
        """A child that is idle, or cannot be; if none ever was, it is not the child's fault."""
        idle, reason = self._said.heard()
        for pid in idle:
            self._starting.pop(pid, None)
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
            partial(self._accept, pulse),
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
            pulse = self._pulses.new()
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
                    lambda: self._serve(acceptor, number, theirs, pulse),
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
        if (startup_s := self._model.options.startup_s) is not None:
            self._starting[pid] = monotonic() + startup_s

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
            self._starting.pop(pid, None)
            self._killed_at.pop(pid, None)
            self._pulses.ended(pid)
            if self._acceptor:
                self._acceptor.say_ended(number)
            if self._asked or self._has_cut(status):
                self._model.on_ready.draining.have_been_cut(1)
            elif self._passed_on and not is_clean(status):
                self._unclean = f"a connection process ({pid}) {describe(status)}"
            elif not self._passed_on:
                self._died_by_itself(pid, status)
        if self._acceptor and (status := reap(self._acceptor.pid)) is not None:
            self._acceptor_died(self._acceptor, status)
        if self._passed_on and self._acceptor is None:  # then the idle ones end at once
            self._model.on_ready.draining.left(len(self._children))

    def _has_cut(self, status: int) -> bool:
        is_over = self._passed_on and self._cut_at == math.inf
        return is_over and os.waitstatus_to_exitcode(status) == HAS_CUT

    def _died_by_itself(self, pid: int, status: int) -> None:
        """If none was ever idle, not even a clean end is what was asked for."""
        if status:
            log.error("a connection process (%d) %s", pid, describe(status))
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
        for pid, silence_s in [] if self._passed_on else stopped:
            log.error("%s is killed: %s", self._called(pid), STUCK % silence_s)
            self._kill_soon(pid, now)

    def _called(self, pid: int) -> str:
        is_acceptor = self._acceptor is not None and pid == self._acceptor.pid
        return f"{'acceptor' if is_acceptor else 'connection process'} {pid}"

    def _kill_soon(self, pid: int, now: float) -> None:
        """Once it has shown its stack."""
        self._killed_at[pid] = now + stack.STACK_S
        send(pid, stack.STACK)

    def _end_overdue(self, now: float) -> None:
        """A child whose start takes for ever would keep a place for ever."""
        for pid in [pid for pid, until in self._starting.items() if now >= until]:
            del self._starting[pid]
            log.error("connection process %d is killed: %s", pid, NOT_READY)
            self._kill_soon(pid, now)
        for pid in [pid for pid, at in self._killed_at.items() if now >= at]:
            del self._killed_at[pid]
            send(pid, signal.SIGKILL)

    def _acceptor_died(self, acceptor: AcceptorHandle, status: int) -> None:
        self._acceptor = None
        acceptor.close()
        self._killed_at.pop(acceptor.pid, None)
        self._pulses.ended(acceptor.pid)
        if not self._model.stopping:
            log.error("the acceptor %s", describe(status))
            now = monotonic()
            self._acceptor_backoff.crashed(now, now - acceptor.since)

    def _pass_on(self) -> None:
        self._passed_on = True
        grace = self._model.options.grace
        self._cut_at, self._kill_at = grace.until(), grace.end() + CUT_S
        for sock in self._model.listeners:
            sock.close()
        if self._acceptor:
            send(self._acceptor.pid, LEAVE)
        self._to_leave = [*self._children]
        self._leave_at = monotonic()
        self._leave_pause_s = SPREAD_S / max(len(self._to_leave), 1)

    def _dismiss(self, now: float) -> None:
        """Those whose turn it is."""
        while self._to_leave and now >= self._leave_at:
            if (pid := self._to_leave.pop()) in self._children:
                send(pid, LEAVE)
            self._leave_at += self._leave_pause_s

    def _all(self) -> list[int]:
        return [self._acceptor.pid, *self._children] if self._acceptor else [*self._children]

    def _send_children(self, number: int) -> None:
        for pid in self._children:
            send(pid, number)

    def _cut(self) -> None:
        """The grace time is over: the connections are cut, and the application may end."""
        self._cut_at = math.inf
        self._send_children(LEAVE)

    def _kill(self) -> None:
        """A process that is left shows where it is, and is killed."""
        self._kill_at = monotonic() + (KILLED_AGAIN_S if self._asked else stack.STACK_S)
        for pid in self._all():
            if not self._asked:
                log.error("connection process %d is killed: %s", pid, OVERDUE)
            send(pid, signal.SIGKILL if self._asked else stack.STACK)
        self._asked = True

    # runs in: the acceptor

    def _accept(
        self, pulse: Pulse | None, inbox: socket.socket, to_forker: socket.socket, limit: Limit
    ) -> None:
        self._close_pipe()
        with self._saying_why():
            self._begin_beating(pulse)
            Acceptor(self._model, inbox, to_forker, limit).run()

    # runs in: a child

    def _serve(
        self, acceptor: AcceptorHandle, number: int, channel: socket.socket, pulse: Pulse | None
    ) -> None:
        def say_idle() -> None:
            self._begin_beating(pulse)
            self._say()

        acceptor.wishes.close()
        self._close_pipe()
        for sock in self._model.listeners:
            sock.close()
        child = Child(self._model, number, channel, acceptor.channel, say_idle)
        try:
            with self._saying_why():
                child.run()
        finally:
            ending.end(self._model.options.grace.end() - monotonic())
        if child.has_cut:
            os._exit(HAS_CUT)  # as `forked` does, with a status of its own

    def _begin_beating(self, pulse: Pulse | None) -> None:
        if pulse is not None and self._model.options.stuck_s is not None:
            begin_beating(pulse.beat, self._model.options.stuck_s)

    @contextlib.contextmanager
    def _saying_why(self) -> Iterator[None]:
        """The forker hears from us why we cannot serve."""
        try:
            yield
        except Exception as error:
            if not self._say.failed(error):
                raise

    def _close_pipe(self) -> None:
        """Only the forker may hold it."""
        os.close(self._wake_read)
        os.close(self._wake_write)

    # runs in: what the application forks in the forker

    def _give_up(self) -> None:
        for sock in self._model.listeners:
            sock.close()
        if self._acceptor:
            self._acceptor.close()
        self._say.close()
        self._model.on_ready.close()
