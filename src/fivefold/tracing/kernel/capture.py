"""The kernel's own evidence for one request: recorded while it runs, then chosen.

Two instances of tracefs.  One records for the request's threads and all that they start,
whatever they are doing.  The other records for all processes what happens in interrupts:
packets, disks, rings, signals.  After `stop`, `observations` finds those of the request.

Rights: root, and the host's PID namespace (`Unavailable` says which is missing).
Cost: on a machine with much traffic the second instance records all of it; keep the time
between `start` and `stop` short, and look at `notes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Self

from ...errors import Unavailable
from ...linux.processes import threads_of_tree
from ...linux.tracepoints import tracefs
from ...linux.tracepoints.cleaning import Cleaner
from ..model import Observation
from .events import MACHINE, THREADS, recorded
from .lines import observe
from .owners import choose
from .packets import Ports


class KernelTrace:
    """`with KernelTrace(...) as kernel:` records from entering until `observations`."""

    def __init__(
        self,
        *,
        server_port: int,
        client_port: int | None = None,
        processes: Iterable[int] = (),
        threads: Iterable[int] = (),
        buffer_kib: int = 4096,
    ) -> None:
        """`processes`: with all their threads and descendants; `threads`: just these."""
        self.server_port = server_port
        self.client_port = client_port
        """May be set later, when the client has connected; None: every connection."""
        self._processes = tuple(processes)
        self._buffer_kib = buffer_kib
        self._tids = set(threads)
        self._resources = ExitStack()
        self._lost = 0
        self._of_threads: list[Observation] = []
        self._of_machine: list[Observation] = []

    @property
    def tids(self) -> frozenset[int]:
        """The threads that count as the request's, with those that they started so far."""
        return frozenset(self._tids)

    def __enter__(self) -> Self:
        reason = tracefs.available()
        if reason is not None:
            raise Unavailable(reason)
        tracefs.sweep()
        with ExitStack() as resources:
            self._record(resources)
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()

    def _record(self, resources: ExitStack) -> None:
        prefix = f"{tracefs.root()}/instances/{tracefs.own_name()}"
        resources.enter_context(Cleaner(prefix, tracefs.own_descriptors()))
        self._tids |= self._running()
        kib = self._buffer_kib
        self._threads = resources.enter_context(
            tracefs.Instance(recorded(THREADS), pids=self._tids, buffer_kib=kib)
        )
        self._machine = resources.enter_context(
            tracefs.Instance(recorded(MACHINE), filters=self._filters(), buffer_kib=kib)
        )
        self._threads.start()
        late = self._running() - self._tids  # those that started while we set up
        self._threads.follow(late)
        self._tids |= late
        self._machine.start()

    def _filters(self) -> dict[str, str]:
        """What the kernel can sort out already; `owners` does not rely on it."""
        filters = {"sock:sk_data_ready": "protocol == 6"}
        if self.server_port:  # 0: whichever ports a running server has
            port = f"sport == {self.server_port} || dport == {self.server_port}"
            named = ("sock:inet_sock_set_state", "tcp:tcp_retransmit_skb", "tcp:tcp_receive_reset")
            filters |= dict.fromkeys(named, port)
        return filters

    def _running(self) -> set[int]:
        return set().union(*map(threads_of_tree, self._processes))

    def stop(self) -> None:
        """Record no more; what was recorded stays."""
        self._machine.stop()
        self._threads.stop()

    def resume(self) -> None:
        """Forget what was recorded and record again, for the next request."""
        self._lost = 0
        self._of_threads, self._of_machine = [], []
        for instance in (self._threads, self._machine):
            instance.clear()
            instance.start()
        # The kernel follows also those that were started while nothing was recorded.
        self._tids |= self._running()

    def observations(self) -> list[Observation]:
        """Stop, and the request's events in the order in which they happened."""
        self.stop()
        self.collect()
        return self.of(self.server_port, self.client_port)

    def collect(self, since_ns: int = 0) -> None:
        """Read what was recorded, for `of`; what is older than `since_ns` is forgotten."""
        self._lost = self._threads.lost() + self._machine.lost()
        self._of_threads += observe(self._threads.lines())
        self._of_machine += observe(self._machine.lines())
        self._tids |= _started(self._of_threads)
        self._of_threads = [one for one in self._of_threads if one.at_ns >= since_ns]
        self._of_machine = [one for one in self._of_machine if one.at_ns >= since_ns]

    def lost_after(self, at_ns: int) -> bool:
        """Whether a moment is older than all that the buffers still had."""
        oldest = [seen[0].at_ns for seen in (self._of_threads, self._of_machine) if seen]
        return bool(self._lost) and at_ns < max(oldest, default=at_ns + 1)

    def of(self, server_port: int, client_port: int | None) -> list[Observation]:
        """The collected events of a connection, in the order in which they happened."""
        connection = Ports(server_port, client_port)
        return choose(self._of_threads, self._of_machine, connection, self._tids)

    def notes(self, *, since_ns: int = 0) -> list[str]:
        """What a reader of the observations must know about them; of what was lost it only
        matters what came after `since_ns`."""
        missing = [*self._threads.missing, *self._machine.missing]
        notes = []
        if self._lost and (not since_ns or self.lost_after(since_ns)):
            notes.append(
                f"{self._lost} kernel events were lost, so steps may lack evidence:"
                f" a larger buffer than {self._buffer_kib} KiB per processor keeps them"
            )
        if missing:
            notes.append(
                f"this kernel has no {', '.join(_kinds(missing))}: a newer one may show more"
            )
        return notes


def _started(observations: Iterable[Observation]) -> set[int]:
    """The threads and processes that were started by those we record."""
    return {
        one.detail["fields"]["child_pid"]
        for one in observations
        if one.event == "sched:sched_process_fork"
    }


def _kinds(events: list[str]) -> list[str]:
    """sys_enter_X and sys_exit_X are one thing to a reader."""
    kinds = [one.replace("sys_enter_", "").replace("sys_exit_", "") for one in events]
    return list(dict.fromkeys(kinds))
