"""The slots of a server as a whole: which of them need a worker, and what follows when one is
ready or has died.

The first worker starts alone; then all others at once, and the start has failed if none becomes
ready at one of the addresses: that of a service.  Later a slot whose worker has died gets another
one, with a pause (`backoff`).  Old workers are replaced one by one (`replacement`).

Slots come and go at the end of the row (SIGTTIN, SIGTTOU).  A queue is never closed while the
server serves: the kernel would reset the clients in it.  That of a slot that is removed is adopted
by another one, whose worker is replaced by one that listens to both; until it does, the worker of
the removed slot stays.  The next slot that is added takes it back, so that queues do not grow in
number.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

from ...isolation.reporting import logger
from ..backoff import LONGEST_PAUSE_S, YOUNG_DEATHS, Backoff, spacing_s
from ..census import Census
from ..forking import describe, is_clean
from .remaining import counted
from .replacement import OUTDATED, Replacement
from .slot import End, Slot
from .worker import Worker

log = logger("fivefold.supervisor")

NewWorker = Callable[[Slot, int, list[End]], Worker]
"""`Spawning.worker`."""

NewQueues = Callable[[list[socket.socket]], list[socket.socket]]
"""Sockets for one more slot, at the addresses of another one."""


class Slots:
    """All of them, and whether the server as a whole starts, serves or stops."""

    def __init__(
        self,
        rows: list[list[socket.socket]],
        new_worker: NewWorker,
        grace_s: float,
        census: Census,
        new_queues: NewQueues,
    ) -> None:
        self._slots = [Slot(sockets, number) for number, sockets in enumerate(rows)]
        self._new_worker = new_worker
        self._grace_s = grace_s
        self._census = census
        self._new_queues = new_queues
        self._replacement = Replacement()
        self._proved = set[Any]()
        """Addresses of slots of which a worker was ever ready."""
        self.stopping = False
        self.failure = ""
        """Why the server must end, or has not ended cleanly."""
        self.has_cut = False
        """Whether, when it ended, connections had not."""

    def __iter__(self) -> Iterator[Worker]:
        """All workers."""
        return (worker for slot in self._slots for worker in slot.workers)

    @property
    def complete(self) -> bool:
        """Whether every slot has a worker or has shown that it cannot have one now."""
        return all(slot.served or self._cannot_now(slot) for slot in self._slots)

    @property
    def renewed(self) -> bool:
        """Whether no worker is left that was to be replaced."""
        workers = (slot.worker for slot in self._slots)
        return self.complete and not any(map(self._replacement.is_old, filter(None, workers)))

    @property
    def all_served(self) -> bool:
        """Whether each address has a worker that is ready."""
        return all(
            slot.served or any(peer.served for peer in self._peers(slot)) for slot in self._slots
        )

    @property
    def due(self) -> float:
        """When `go_on` or a worker's clock must be looked at again, if not before."""
        times = [worker.due for worker in self]
        if not self.stopping:
            times += [slot.backoff.at for slot in self._slots if self._is_empty(slot)]
            times.append(self._replacement.due(self._slots))
        return min(times, default=math.inf)

    def _cannot_now(self, slot: Slot) -> bool:
        return slot.address in self._proved and slot.backoff.failures > 0

    # what happens

    def listen(self) -> None:
        """Take what the workers say."""
        for slot in self._slots:
            for worker in slot.workers:
                if worker.hear():
                    self._is_ready(slot, worker)

    def _is_ready(self, slot: Slot, worker: Worker) -> None:
        self._proved.add(slot.address)
        if worker in slot.leaving:
            return
        slot.end_remains()
        if slot.backoff.succeeded():
            log.info("worker %d is ready: its slot is served again", worker.pid)
        if worker is slot.successor:
            self._replacement.backoff.succeeded()
            slot.promote()
        self._dismiss(slot.leaving)

    def died(self, worker: Worker, status: int) -> None:
        """`status`: what wait(2) says of it."""
        slot = next(slot for slot in self._slots if worker in slot.workers)
        if worker.has_died(status):
            self._is_ready(slot, worker)
        successor, leaving = worker is slot.successor, worker in slot.leaving
        slot.remove(worker)
        if self.stopping:
            slot.end_remains()
        if not (self.stopping or leaving):
            self._census.died()
        if worker.lost:
            log.error("worker %d has cut %s", worker.pid, counted(worker.lost, "connection"))
            self.has_cut = self.has_cut or self.stopping
        if self.stopping and (worker.why or not is_clean(status)):
            # Whatever the worker was about to finish, it could not.
            self.failure = self.failure or worker.why or f"a worker {describe(status)}"
        if self.stopping or leaving:
            log_death = log.error if leaving and status and not worker.why else log.debug
            log_death("worker %d %s", worker.pid, describe(status))
        elif worker.was_ready:
            log.error("worker %d %s", worker.pid, describe(status))
            served_s = monotonic() - worker.ready_at
            slot.backoff.crashed(monotonic(), served_s, worker.ready_at - worker.started)
        else:
            said = worker.why or worker.pipe.reason
            backoff = self._replacement.backoff if successor else slot.backoff
            reason = said or f"it {describe(status)} before it was ready"
            self._not_ready(slot, backoff, reason, said, monotonic() - worker.started)

    # what follows

    def renew(self) -> None:
        """Replace all workers that are here now."""
        self._replacement.begin()

    def add(self) -> None:
        """One more slot."""
        if self.stopping:
            return
        lender = next((slot for slot in self._slots if slot.adopted), None)
        rows = [slot.sockets for slot in self._slots]
        if lender is not None:
            sockets = lender.adopted.pop()
        else:
            sockets = self._new_queues(min(rows, key=lambda row: (rows.count(row), len(row))))
        self._slots.append(Slot(sockets, self._slots[-1].number + 1))
        log.info("one worker more (SIGTTIN): %d", len(self._slots))

    def remove(self) -> None:
        """The youngest slot goes, and its workers leave gently."""
        if self.stopping:
            return
        youngest = next((slot for slot in reversed(self._slots) if self._peers(slot)), None)
        if youngest is None:
            log.warning("SIGTTOU: the last worker of an address stays")
            return
        heir = min(self._peers(youngest), key=lambda slot: len(slot.adopted))
        self._slots.remove(youngest)
        youngest.end_remains()
        served = {sock for slot in self._slots for sock in slot.queues}
        orphans = [row for row in (youngest.sockets, *youngest.adopted) if set(row) - served]
        heir.leaving += youngest.workers  # where its queue is orphaned, until the heir listens
        if orphans:
            heir.adopted += orphans
            for worker in (heir.worker, heir.successor):
                if worker is not None:
                    worker.generation = OUTDATED
        else:
            self._dismiss(youngest.workers)
        log.info("one worker less (SIGTTOU): %d", len(self._slots))

    def _peers(self, slot: Slot) -> list[Slot]:
        """Those that serve the same at the same addresses."""
        return [each for each in self._slots if each is not slot and each.address == slot.address]

    def _dismiss(self, workers: list[Worker]) -> None:
        """Those that were not told to leave before."""
        for worker in workers:
            if worker.left_at == math.inf:
                worker.dismiss(self._grace_s)

    def go_on(self, now: float) -> None:
        """Start what is missing, and the next successor."""
        for slot in self._slots:
            if self._is_empty(slot) and now >= slot.backoff.at:
                slot.worker = self._started(slot, slot.backoff)
        self._replacement.recycle(self._slots, now)
        old = self._replacement.next_of(self._slots)
        if old is not None and now >= self._replacement.backoff.at:
            old.successor = self._started(old, self._replacement.backoff)

    def stop(self, *, is_outlived: bool) -> None:
        """Let all workers end; whether another server goes on serving on their sockets."""
        self.stopping = True
        self._census.accompanied(is_outlived)
        self._census.drain()  # before any worker refuses a client
        # The workers have copies, and close them once their queues are empty; a client that comes
        # later shall be refused, and not wait in ours until it is reset.
        for slot in self._slots:
            for sock in slot.queues:
                sock.close()
        for worker in self:
            worker.dismiss(self._grace_s)
        for slot in self._slots:
            slot.end_remains()

    def _not_ready(
        self, slot: Slot, backoff: Backoff, reason: str, cause: str, lasted_s: float
    ) -> None:
        """A worker could not be started; `cause` is empty if it may be mere bad luck, and then
        the clients of an empty slot shall not wait long."""
        proved = slot.address in self._proved
        replaces = backoff is self._replacement.backoff
        is_patient = cause or replaces or not proved
        longest_s = LONGEST_PAUSE_S if is_patient else spacing_s(lasted_s, lasted_s)
        news = backoff.failed(monotonic(), reason, longest_s=longest_s)
        if not proved and (cause or backoff.failures >= YOUNG_DEATHS):
            self.failure = cause or f"no worker becomes ready: {reason}"
        elif news:
            what = "an old worker stays" if replaces else "a worker is missing"
            log.error("%s, and its start is tried again: %s", what, reason)

    def _is_empty(self, slot: Slot) -> bool:
        """Whether it waits for a worker; until one was ready, only the first slot does."""
        return slot.worker is None and (bool(self._proved) or slot.number == 0)

    def _started(self, slot: Slot, backoff: Backoff) -> Worker | None:
        try:
            worker = self._new_worker(slot, self._replacement.generation, self.ends)
        except (OSError, MemoryError) as error:
            reason = f"no process can be had: {error or type(error).__name__}"
            self._not_ready(slot, backoff, reason, "", 0.0)
            return None
        self._census.started()
        return worker

    @property
    def ends(self) -> list[End]:
        """What the supervisor keeps for itself: no process that it forks shall have it."""
        return [end for each in self._slots for end in each.ends]

    def be_counted(self) -> None:
        """Write down how many workers are ready."""
        self._census.count(sum(slot.served for slot in self._slots), len(self._slots))
