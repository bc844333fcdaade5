"""The supervisor: starts the workers, replaces what dies, stops everything.

Promises.  It serves nothing itself and keeps nothing that must not cross a fork: no
thread, ring, epoll descriptor; its signals are blocked and waited for, so no handler
ever interrupts it.  A worker that dies is replaced on the same sockets: at once the
first time, then after a pause that doubles.  Workers that die young again and again end
the server (`WorkerFailed`) instead of an endless loop.  SIGTERM or SIGINT: workers stop
accepting, finish what they have accepted, and end; a second SIGINT, or the end of the
grace time, kills them.  SIGHUP: workers are replaced one by one, each only after its successor
accepts.  SIGUSR1: `on_notice` is called, and all workers are sent it, too.  Only its own
children are waited for, by pid; as PID 1, the orphans that a container leaves to it as well.
systemd is told when all workers accept, and when they stop.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from ..errors import WorkerFailed
from ..linux import systemd
from ..linux.process_control import reap_orphans
from .forking import HANDLED, cannot_start, describe, forked, reap

log = logging.getLogger("fivefold.supervisor")

YOUNG_S = 1.0
"""A worker that dies before this age has not worked at all."""

YOUNG_DEATHS = 5
"""So many in a row, in one slot, end the server: nginx and systemd (StartLimitBurst) agree."""

LONGEST_PAUSE_S = 8.0
"""Between two tries to replace a worker."""

KILL_MARGIN_S = 2.0
"""On top of the workers' own grace, before they are killed."""

STARTUP_S = 30.0
"""Until a worker must accept; importing a large application takes seconds."""

STARTUP_LOOK_S = 0.05
"""How often a signal is looked for meanwhile."""

DYING_S = 0.5
"""How long a worker that will not accept may take to die; well below `YOUNG_S`."""

STOPS = {signal.SIGTERM, signal.SIGINT}

INIT = 1
"""The process that inherits orphans (pid_namespaces(7))."""

Worker = Callable[[list[socket.socket], Callable[[], None]], None]
"""Runs in the child: serve on these sockets; call the second argument once they accept."""


@dataclass
class Slot:
    """A place for one worker, and the sockets that stay when it is replaced."""

    sockets: list[socket.socket]
    pid: int = 0
    started: float = 0.0
    young_deaths: int = 0
    restart_at: float = 0.0
    leaving: set[int] = field(default_factory=set)
    """Workers that were replaced and still finish."""


class Supervisor:
    """Runs in the main thread of its process."""

    def __init__(
        self,
        slots: list[list[socket.socket]],
        worker: Worker,
        grace_s: float,
        on_notice: Callable[[], None] = lambda: None,
    ) -> None:
        self._slots = [Slot(sockets) for sockets in slots]
        self._worker = worker
        self._grace_s = grace_s
        self._on_notice = on_notice
        self._stopping = False
        self._kill_at = 0.0

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Until stopped. Raises `WorkerFailed` if the workers cannot live."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            while not all(self._start(slot) for slot in self._slots if not slot.pid):
                if stop_requested():
                    break
                self._bury()
            else:
                on_ready()
                systemd.notify("READY=1")
            while not self._stopping or self._pids():
                self._turn()
        finally:
            for pid in self._pids():
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _turn(self) -> None:
        received = signal.sigtimedwait(HANDLED, self._patience())
        number = received.si_signo if received else None
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop(impatient=number == signal.SIGINT)
        elif number == signal.SIGHUP and not self._stopping:
            self._replace_all()
        elif number == signal.SIGUSR1:
            self._on_notice()
            self._signal_all(signal.SIGUSR1)
        self._bury()
        if self._stopping and monotonic() >= self._kill_at:
            self._signal_all(signal.SIGKILL)
        if not self._stopping:
            for slot in self._slots:
                if not slot.pid and monotonic() >= slot.restart_at:
                    self._start(slot)

    def _patience(self) -> float:
        due = [slot.restart_at for slot in self._slots if not slot.pid and not self._stopping]
        if self._stopping:
            due.append(self._kill_at)
        return max(0.0, min(due) - monotonic()) if due else STARTUP_S

    def _pids(self) -> list[int]:
        return [pid for slot in self._slots for pid in (slot.pid, *slot.leaving) if pid]

    def _start(self, slot: Slot) -> bool:
        """Fork the slot's worker and wait until it accepts or is dead, for `_bury` to find."""
        ready, announce = os.pipe2(os.O_CLOEXEC)
        others = [s for o in self._slots if o is not slot for s in o.sockets]

        def life() -> None:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
            os.close(ready)
            for sock in others:
                if sock not in slot.sockets:
                    sock.close()
            self._worker(slot.sockets, lambda: announce_ready(announce))

        slot.started = monotonic()
        slot.pid = forked(life)
        os.close(announce)
        try:
            accepts = self._await_ready(ready)
        finally:
            os.close(ready)
        if not accepts and not stop_requested():
            # A slot whose worker is about to die must not look as if it were filled.
            end(slot.pid)
        return accepts

    def _await_ready(self, ready: int) -> bool:
        give_up_at = monotonic() + STARTUP_S
        while monotonic() < give_up_at and not stop_requested():
            readable, _, _ = select.select([ready], [], [], STARTUP_LOOK_S)
            if readable:
                return bool(os.read(ready, 1))  # b"": it died before it was ready
        return False

    def _stop(self, *, impatient: bool) -> None:
        if self._stopping:
            if impatient:
                self._kill_at = 0.0  # Ctrl-C again: now
            return
        self._stopping = True
        systemd.notify("STOPPING=1")
        self._kill_at = monotonic() + self._grace_s + KILL_MARGIN_S
        self._signal_all(signal.SIGTERM)
        # The workers have copies, and close them once their queues are empty; who comes
        # later shall be refused instead of waiting for nobody.
        for slot in self._slots:
            for sock in slot.sockets:
                sock.close()

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._pids():
            os.kill(pid, number)

    def _replace_all(self) -> None:
        """One by one: the old worker leaves only when its successor accepts."""
        for slot in self._slots:
            old = slot.pid
            if self._start(slot):
                if old:
                    slot.leaving.add(old)
                    os.kill(old, signal.SIGTERM)
            else:
                log.error("worker %d is not replaced: its successor does not start", old)
                slot.leaving.add(slot.pid)
                os.kill(slot.pid, signal.SIGKILL)
                slot.pid = old

    def _bury(self) -> None:
        if os.getpid() == INIT:
            reap_orphans(besides=self._pids())
        for slot in self._slots:
            slot.leaving = {pid for pid in slot.leaving if reap(pid) is None}
            status = reap(slot.pid) if slot.pid else None
            if status is None:
                continue
            log_death = log.debug if self._stopping else log.error
            log_death("worker %d %s", slot.pid, describe(status))
            slot.pid = 0
            if not self._stopping:
                if cannot_start(status):
                    raise WorkerFailed("the application cannot be started")
                self._schedule(slot)

    def _schedule(self, slot: Slot) -> None:
        now = monotonic()
        slot.young_deaths = slot.young_deaths + 1 if now - slot.started < YOUNG_S else 0
        if slot.young_deaths >= YOUNG_DEATHS:
            raise WorkerFailed(f"a worker died {YOUNG_DEATHS} times in a row right after its start")
        pause = 0.0 if not slot.young_deaths else 0.1 * 2.0**slot.young_deaths
        slot.restart_at = now + min(pause, LONGEST_PAUSE_S)


def end(pid: int) -> None:
    """Wait until a child that will not accept has died, of itself or of a signal; not reaped."""
    dead = os.pidfd_open(pid)
    try:
        if not select.select([dead], [], [], DYING_S)[0]:
            os.kill(pid, signal.SIGKILL)
            select.select([dead], [], [])
    finally:
        os.close(dead)


def stop_requested() -> bool:
    """Whether a signal that stops us is pending; it stays so, for the main loop to take."""
    return bool(signal.sigpending() & STOPS)


def announce_ready(pipe: int) -> None:
    os.write(pipe, b"r")
    os.close(pipe)
