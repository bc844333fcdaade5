"""The supervisor: starts the workers, replaces what dies, stops everything.

Promises.  It serves nothing itself and keeps nothing that must not cross a fork: no
thread, ring, epoll descriptor; its signals are read from descriptors, so no handler ever
interrupts it (`process_signals`).  It waits for everything at once: signals, and what its workers
say (`ready_pipe`); so starts, deaths and replacements go on side by side, and nothing
waits for one slot (`slots`).  The first worker starts alone, so that an application that
cannot be started is one line; then all others at once.

A server that has once served ends only when it is told to.  A worker that dies is replaced
on the same sockets; one that does not become ready (an application or a folder is away, the
kernel refuses a process) is tried again with a pause that grows to seconds, said once and
again when the reason changes, while the others serve.  If no worker was ever ready
at an address, the server ends with what the first one said (`WorkerFailed`), or after
`YOUNG_DEATHS` deaths.

SIGTERM or SIGINT: workers stop accepting, finish what they have accepted, and end; a second
SIGINT kills them.  SIGHUP: `on_reload` is asked, and workers are replaced one by one, each leaves
only when its successor accepts; asked again meanwhile, they are replaced again.  SIGTTIN, SIGTTOU:
one worker more, one less.  Without a signal, too, a worker is replaced that is worn out
(`recycling`).  One that does not leave within the grace time is killed, and the log has its stack;
so is one that takes no turn any more, if a time was given for that (`pulse`).  SIGUSR1: `on_notice`
is called, and all workers are sent it, too.  SIGUSR2: the program is started again (`upgrade`).
Only its own children are waited for, by pid; as PID 1, the orphans that a container leaves to it
as well.
systemd is told of all that (`service_state`).
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from time import monotonic

from ...errors import ConnectionsCut, WorkerFailed
from ...isolation.reporting import logger
from ...linux.process_control import reap_orphans
from ..census import Census
from ..forking import HANDLED, reap, send
from ..pid_file import PidFile
from ..process_signals import ProcessSignals
from ..stack import stacks
from .companion import Companion
from .guard import Guard
from .recycling import RecyclingSettings, Wear
from .remaining import Remaining
from .service_state import ServiceState
from .slots import NewQueues, Slots
from .spawning import Life, Recycling, Silence, Spawning
from .upgrade import Upgrade

log = logger("fivefold.supervisor")

LONGEST_WAIT_S = 10.0
"""A turn looks after everything even if no signal asked for it."""

FAILED_TURN_S = 1.0
"""Until the next, after one that met an error which was not foreseen."""

INIT = 1
"""The process that inherits orphans (pid_namespaces(7))."""


class Supervisor:
    """Runs in the main thread of its process."""

    def __init__(
        self,
        slots: list[list[socket.socket]],
        life: Life,
        grace_s: float,
        on_notice: Callable[[], None] = lambda: None,
        *,
        on_reload: Callable[[], bool] = lambda: True,
        startup_s: float | None = None,
        stuck_s: Silence = lambda _: None,
        census: Census | None = None,
        upgrade: Upgrade | None = None,
        new_queues: NewQueues = list,
        recycling: Recycling = lambda *_: Wear(RecyclingSettings()),
        become_users: Callable[[], None] = lambda: None,
        companions: Sequence[Companion] = (),
    ) -> None:
        """`on_reload`: called when workers are to be replaced; whether they shall be.
        `startup_s`: until a worker must be ready, or it is killed; None to wait for ever.
        `stuck_s`: how long one with these sockets may then show no sign of life (`pulse`), or None.
        `new_queues`: sockets for one more slot; by default it shares those of another.
        `recycling`: when a worker that serves is worn out (`recycling`); by default never.
        `become_users`: called in the guard, which needs no rights of this process.
        `companions`: what was started already, and is started again when it dies."""
        self._on_notice = on_notice
        self._on_reload = on_reload
        self._announced = False
        self._on_ready: Callable[[], None] = lambda: None
        # SIGCHLD, too: our parent may ignore it, and no death would be heard of.
        self._signals = ProcessSignals(HANDLED)
        self._guard = Guard(become_users)
        spawning = Spawning(
            life,
            self._signals,
            self._guard,
            startup_s=startup_s,
            stuck_s=stuck_s,
            recycling=recycling,
        )
        self._companions = companions
        self._remaining = Remaining(grace_s)
        self._upgrade = upgrade or Upgrade(
            os.curdir, lambda *_: None, PidFile(None), "this is no whole server"
        )
        self._slots = Slots(slots, spawning.worker, grace_s, census or Census(), new_queues)
        self._service_state = ServiceState(self._slots)
        self._reactions: dict[int, Callable[[], None]] = {
            signal.SIGTERM: self._terminated,
            signal.SIGINT: self._interrupted,
            signal.SIGHUP: self._renew,
            signal.SIGTTIN: self._slots.add,
            signal.SIGTTOU: self._slots.remove,
            signal.SIGUSR1: self._take_notice,
            signal.SIGUSR2: self._begin_upgrade,
        }

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Until stopped. Raises `WorkerFailed` if no worker was ever ready, or one did not end
        cleanly; `ConnectionsCut`."""
        self._on_ready = on_ready
        with contextlib.ExitStack() as ends:
            ends.enter_context(stacks.collected())
            try:
                ends.enter_context(self._signals)
            except OSError as error:
                raise WorkerFailed(f"no worker can be started: {error}") from error
            ends.callback(self._guard.close)
            self._guard.begin()
            ends.callback(self._kill_all)
            while not self._slots.stopping or any(self._slots):
                self._guarded_turn()
        if self._slots.failure:
            raise WorkerFailed(self._slots.failure)
        if self._slots.has_cut:
            raise ConnectionsCut("connections were cut before they had ended")

    def _kill_all(self) -> None:
        """If something was not foreseen; else there are none any more."""
        for worker in self._slots:
            send(worker.pid, signal.SIGKILL)
            reap(worker.pid, wait=True)

    def _guarded_turn(self) -> None:
        """This process must not die of a full disk or of want of memory."""
        try:
            self._turn()
        except Exception:
            log.exception("the supervisor met an error, and goes on")
            time.sleep(FAILED_TURN_S)

    def _react(self, number: int) -> None:
        """What one signal asks for; whatever comes of it, the next one is heard."""
        try:
            self._reactions.get(number, int)()
        except Exception:
            log.exception("what signal %d asked for has failed", number)

    def _turn(self) -> None:
        self._wait()
        for number in self._signals.received():
            self._react(number)
        self._slots.listen()
        self._upgrade.listen()
        self._reap()
        for worker in self._slots:
            worker.look_at_clocks(monotonic())
        self._guard.look(monotonic(), [worker.pid for worker in self._slots])
        if not (self._slots.stopping or self._slots.failure):
            self._slots.go_on(monotonic())
            for companion in self._companions:
                companion.look(monotonic(), self._leave_to(companion))
            self._announce()
            self._service_state.look(monotonic())
        self._remaining.look(self._slots, monotonic())
        if self._slots.failure:
            self._stop()
        self._slots.be_counted()

    def _wait(self) -> None:
        poll = select.poll()
        for fd in self._signals.fds:
            poll.register(fd, select.POLLIN)
        for worker in self._slots:
            if not worker.pipe.ended:
                poll.register(worker.pipe.pipe, select.POLLIN)
        if self._upgrade.pipe is not None:
            poll.register(self._upgrade.pipe, select.POLLIN)
        self._guard.watch_for_end(poll)
        due = min(self._slots.due, self._remaining.due, self._service_state.due, self._guard.due)
        if not self._slots.stopping:
            due = min([due, *(companion.due for companion in self._companions)])
        patience_s = min(max(0.0, due - monotonic()), LONGEST_WAIT_S)
        poll.poll(math.ceil(patience_s * 1000))

    def _reap(self) -> None:
        if os.getpid() == INIT:
            reap_orphans(spared=[each.pid for each in (*self._slots, *self._companions)])
        self._upgrade.reap()
        for worker in list(self._slots):
            status = reap(worker.pid)
            if status is not None:
                self._guard.reaped(worker.pid)
                self._slots.died(worker, status)

    def _leave_to(self, companion: Companion) -> Callable[[], None]:
        """What a process that is started now is to do first: this one's affairs are not its own."""

        def leave() -> None:
            self._signals.close_copies()
            self._guard.close()
            for end in self._slots.ends:
                end.close()
            companion.others_close(self._companions)

        return leave

    def _announce(self) -> None:
        """Once."""
        if not self._announced and self._slots.complete:
            self._announced = True
            # Before a server that is replaced hears of it, and may end.
            self._service_state.ready(monotonic())
            self._on_ready()

    # what the signals ask for

    def _stop(self, *, interrupted: bool = False) -> None:
        if not self._slots.stopping:
            self._reap()  # one that died by itself was not asked to end
            self._service_state.ends(self._upgrade.outlive())
            self._slots.stop(is_outlived=self._upgrade.serves)
            self._remaining.begin(interrupted=interrupted)

    def _terminated(self) -> None:
        if not self._slots.stopping:
            log.info("stopping (SIGTERM)")
        self._stop()

    def _interrupted(self) -> None:
        if self._slots.stopping:  # Ctrl-C again: now
            for worker in self._slots:
                worker.kill_at = 0.0
        else:
            log.info("stopping (Ctrl-C)")
        self._stop(interrupted=True)

    def _renew(self) -> None:
        if not self._slots.stopping and self._on_reload():
            self._service_state.reloads()
            self._slots.renew()

    def _begin_upgrade(self) -> None:
        self._upgrade.begin(serving=self._announced and not self._slots.stopping)

    def _take_notice(self) -> None:
        self._on_notice()
        for worker in self._slots:
            send(worker.pid, signal.SIGUSR1)
