"""The supervisor: starts the workers, replaces what dies, stops everything.

Promises.  It serves nothing itself and keeps nothing that must not cross a fork: no
thread, ring, epoll descriptor; its signals are read from descriptors, so no handler ever
interrupts it (`process_signals`).  It waits for everything at once: signals, and what its workers
say (`ready_pipe`); so starts, deaths and replacements go on side by side, and nothing
waits for one slot (`slot`).  The first worker starts alone, so that an application that
cannot be started is one line; then all others at once.

A server that has once served ends only when it is told to.  A worker that dies is replaced
on the same sockets; one that does not become ready (an application or a folder is away, the
kernel refuses a process) is tried again with a pause that grows to seconds, said once and
again when the reason changes, while the others serve.  If no worker was ever ready, the
server ends with what the first one said (`WorkerFailed`), or after `YOUNG_DEATHS` deaths.

SIGTERM or SIGINT: workers stop accepting, finish what they have accepted, and end; a second
SIGINT kills them.  SIGHUP: workers are replaced one by one, each leaves only when its
successor accepts; asked again meanwhile, they are replaced again.  One that does not leave within
the grace time is killed, and the log has its stack; so is one that takes no turn any more, if a
time was given for that (`pulse`).  SIGUSR1: `on_notice` is called, and all
workers are sent it, too.  SIGUSR2 is ignored, and said.  Only its own children are waited
for, by pid; as PID 1, the orphans that a container leaves to it as well.  systemd is told
when the workers accept, and when they stop.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from time import monotonic

from ..errors import WorkerFailed
from ..isolation.reporting import logger
from ..linux import systemd
from ..linux.process_control import reap_orphans
from . import stack
from .forking import HANDLED, describe, forked, is_clean, reap, send
from .guard import Guard
from .process_signals import ProcessSignals
from .pulse import Pulse
from .ready_pipe import Announcement, Attention
from .slot import YOUNG_DEATHS, Backoff, Slot
from .stopping import LEAVE
from .worker import KILL_MARGIN_S, Worker

log = logger("fivefold.supervisor")

LONGEST_WAIT_S = 10.0
"""A turn looks after everything even if no signal asked for it."""

FAILED_TURN_S = 1.0
"""Until the next, after one that met an error which was not foreseen."""

INIT = 1
"""The process that inherits orphans (pid_namespaces(7))."""

Life = Callable[[list[socket.socket], Announcement], None]
"""Runs in the child: serve on these sockets; call the second argument once they accept.
The sockets of the other slots are open, too."""


class Supervisor:
    """Runs in the main thread of its process."""

    def __init__(
        self,
        slots: list[list[socket.socket]],
        life: Life,
        grace_s: float,
        on_notice: Callable[[], None] = lambda: None,
        *,
        startup_s: float | None = None,
        stuck_s: float | None = None,
    ) -> None:
        """`startup_s`: until a worker must be ready, or it is killed; None to wait for ever.
        `stuck_s`: how long it may then take no turn; the same."""
        self._slots = [Slot(sockets, number) for number, sockets in enumerate(slots)]
        self._life = life
        self._grace_s = grace_s
        self._startup_s = startup_s
        self._stuck_s = stuck_s
        self._on_notice = on_notice
        self._stopping = False
        self._failure = ""
        self._generation = 0
        self._replacing = Backoff()
        self._served = False
        """Whether any worker was ever ready."""
        self._announced = False
        self._on_ready: Callable[[], None] = lambda: None
        # SIGCHLD, too: our parent may ignore it, and no death would be heard of.
        self._signals = ProcessSignals(HANDLED)
        self._guard = Guard(grace_s + KILL_MARGIN_S)

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Until stopped. Raises `WorkerFailed` if no worker was ever ready, or one did not end
        cleanly."""
        self._on_ready = on_ready
        with contextlib.ExitStack() as ends:
            try:
                ends.enter_context(self._signals)
            except OSError as error:
                raise WorkerFailed(f"no worker can be started: {error}") from error
            ends.callback(self._guard.close)
            self._guard.begin()
            ends.callback(self._kill_all)
            while not self._stopping or any(self._workers()):
                self._guarded_turn()
        if self._failure:
            raise WorkerFailed(self._failure)

    def _kill_all(self) -> None:
        """If something was not foreseen; else there are none any more."""
        for _, worker in self._workers():
            send(worker.pid, signal.SIGKILL)
            reap(worker.pid, wait=True)

    def _guarded_turn(self) -> None:
        """This process must not die of a full disk or of want of memory."""
        try:
            self._turn()
        except Exception:
            log.exception("the supervisor met an error, and goes on")
            time.sleep(FAILED_TURN_S)

    def _turn(self) -> None:
        self._wait()
        for number in self._signals.received():
            self._received(number)
        for slot, worker in self._workers():
            if worker.hear():
                self._is_ready(slot, worker)
        self._reap()
        for _, worker in self._workers():
            worker.look_at_clocks(monotonic())
        if not self._stopping:
            self._fill(monotonic())
            self._replace(monotonic())
            self._announce()

    def _workers(self) -> Iterator[tuple[Slot, Worker]]:
        return ((slot, worker) for slot in self._slots for worker in slot.workers)

    # what happens

    def _wait(self) -> None:
        poll = select.poll()
        for fd in self._signals.fds:
            poll.register(fd, select.POLLIN)
        for _, worker in self._workers():
            if not worker.pipe.ended:
                poll.register(worker.pipe.pipe, select.POLLIN)
        poll.poll(math.ceil(self._patience(monotonic()) * 1000))

    def _patience(self, now: float) -> float:
        due = [now + LONGEST_WAIT_S]
        for _, worker in self._workers():
            due.append(worker.due)
        if not self._stopping:
            due += [slot.backoff.at for slot in self._slots if self._is_empty(slot)]
            if any(self._is_old(slot) for slot in self._slots):
                due.append(self._replacing.at)
        return max(0.0, min(due) - now)

    def _received(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._reap()  # one that died by itself was not asked to end
            self._stop(impatient=number == signal.SIGINT)
        elif number == signal.SIGHUP:
            self._generation += 1
            self._replacing = Backoff()
        elif number == signal.SIGUSR1:
            self._on_notice()
            for _, worker in self._workers():
                send(worker.pid, signal.SIGUSR1)
        elif number == signal.SIGUSR2:
            log.warning("SIGUSR2 is ignored: replacing the program itself is not supported yet")

    def _is_ready(self, slot: Slot, worker: Worker) -> None:
        self._served = True
        if slot.backoff.succeeded():
            log.info("worker %d is ready: its slot is served again", worker.pid)
        if worker is slot.successor:
            self._replacing.succeeded()
            replaced = slot.promote()
            if replaced is not None:
                replaced.dismiss(self._grace_s)

    def _reap(self) -> None:
        if os.getpid() == INIT:
            reap_orphans(spared=[worker.pid for _, worker in self._workers()])
        for slot, worker in list(self._workers()):
            status = reap(worker.pid)
            if status is not None:
                self._died(slot, worker, status)

    def _died(self, slot: Slot, worker: Worker, status: int) -> None:
        self._guard.reaped(worker.pid)
        if worker.has_died():
            self._is_ready(slot, worker)
        successor, leaving = worker is slot.successor, worker in slot.leaving
        slot.remove(worker)
        if self._stopping and (worker.why or not is_clean(status)):
            # Whatever the worker was about to finish, it could not.
            self._failure = self._failure or worker.why or f"a worker {describe(status)}"
        if self._stopping or leaving:
            log_death = log.error if leaving and status and not worker.why else log.debug
            log_death("worker %d %s", worker.pid, describe(status))
        elif worker.was_ready:
            log.error("worker %d %s", worker.pid, describe(status))
            slot.backoff.crashed(monotonic(), monotonic() - worker.ready_at)
        else:
            said = worker.why or worker.pipe.reason
            backoff = self._replacing if successor else slot.backoff
            self._not_ready(backoff, said or f"it {describe(status)} before it was ready", said)

    # what follows

    def _not_ready(self, backoff: Backoff, reason: str, cause: str) -> None:
        """A worker could not be started; `cause` is empty if it may be mere bad luck."""
        news = backoff.failed(monotonic(), reason)
        if not self._served and (cause or backoff.failures >= YOUNG_DEATHS):
            self._failure = cause or f"no worker becomes ready: {reason}"
            self._stop(impatient=False)
        elif news:
            what = "an old worker stays" if backoff is self._replacing else "a worker is missing"
            log.error("%s, and its start is tried again: %s", what, reason)

    def _is_empty(self, slot: Slot) -> bool:
        """Whether it waits for a worker; until one was ready, only the first slot does."""
        return slot.worker is None and (self._served or slot.number == 0)

    def _fill(self, now: float) -> None:
        for slot in self._slots:
            if self._is_empty(slot) and now >= slot.backoff.at:
                slot.worker = self._start(slot, slot.backoff)

    def _is_old(self, slot: Slot) -> bool:
        return slot.served and slot.worker is not None and slot.worker.generation < self._generation

    def _replace(self, now: float) -> None:
        """One by one: the old worker leaves only when its successor accepts."""
        if now < self._replacing.at or any(slot.successor for slot in self._slots):
            return
        for slot in self._slots:
            if self._is_old(slot):
                slot.successor = self._start(slot, self._replacing)
                return

    def _announce(self) -> None:
        """Once, when every slot has a worker or has shown that it cannot have one now."""
        if not self._announced and self._served:
            self._announced = all(slot.served or slot.backoff.failures for slot in self._slots)
            if self._announced:
                self._on_ready()
                systemd.notify("READY=1")

    def _start(self, slot: Slot, backoff: Backoff) -> Worker | None:
        try:
            return self._forked(slot)
        except (OSError, MemoryError) as error:
            self._not_ready(backoff, f"no process can be had: {error or type(error).__name__}", "")
            return None

    def _forked(self, slot: Slot) -> Worker:
        """Raises OSError."""
        pulse = None if self._stuck_s is None else Pulse(self._stuck_s)
        ready, say = os.pipe2(os.O_CLOEXEC)
        words = Announcement(say, pulse.beat) if pulse else Announcement(say)
        try:
            pid = forked(lambda: self._live(slot, ready, words), ended_by=LEAVE)
        except BaseException:
            os.close(ready)
            raise
        finally:
            os.close(say)
        self._guard.started(pid)
        worker = Worker(pid, self._generation, Attention(ready), monotonic(), pulse=pulse)
        worker.give(self._startup_s)
        return worker

    def _stop(self, *, impatient: bool) -> None:
        if self._stopping:
            if impatient:  # Ctrl-C again: now
                for _, worker in self._workers():
                    worker.kill_at = 0.0
            return
        self._stopping = True
        systemd.notify("STOPPING=1")
        for _, worker in self._workers():
            worker.dismiss(self._grace_s)
        # The workers have copies, and close them once their queues are empty; a client that comes
        # later shall be refused instead of waiting in vain.
        for slot in self._slots:
            for sock in slot.sockets:
                sock.close()

    # runs in: a worker

    def _live(self, slot: Slot, ready: int, announcement: Announcement) -> None:
        stack.show_when_asked()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        self._signals.close_copies()
        self._guard.close()
        os.close(ready)
        for _, worker in self._workers():
            worker.pipe.close()
        try:
            self._life(slot.sockets, announcement)
        except Exception as error:
            if not announcement.failed(error):
                raise
