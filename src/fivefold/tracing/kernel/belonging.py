"""What of the recorded events one exchange made, and not the tracer, its client or a neighbour.

Facts.
    The threads that serve are those whose probes reported the exchange.  Others of their process
    may work for it as well: helper threads that wait for a disk, glibc's for aio.  While it runs
    the tracer asks the kernel for counters, in the serving thread itself; and its client is a
    thread that is recorded, too, because it shows when the answer has come.

Choice.
    An event of the scheduler belongs to the thread that it is about, any other one to the thread
    that was running.  Of other threads those belong that moved bytes in the same process.  What a
    thread did between two readings of our clock around counters is the tracer's.  Of the client
    only what it sends and receives is kept, and marked as its own.

Assumption.
    Two exchanges that one process serves at the same time share its helper threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..model import Observation
from .events import THREADS, recorded

OF_THREADS = frozenset(recorded(THREADS))
"""What the thread that was running has done, but for the scheduler's."""

ENTER, EXIT = "syscalls:sys_enter_", "syscalls:sys_exit_"
SCHEDULER = "sched:"

SIDE, CLIENT = "side", "client"
"""In the detail of what the client did."""

ROUNDED_NS = 1_000
"""tracefs prints microseconds."""


def _entering(names: str) -> frozenset[str]:
    return frozenset(ENTER + name for name in names.split())


SOCKET_CALLS = _entering("recvfrom recvmsg sendto sendmsg write writev")
"""System calls that name the socket of their connection; a server writes to logs and pipes, too."""

MOVING_CALLS = _entering("pread64 preadv preadv2 sendfile64 read write recvfrom sendto")
"""With which a thread moves bytes for another."""

OPENING_CALLS = _entering("openat openat2")

OF_CLIENT = frozenset(
    {
        ENTER + "sendto",
        EXIT + "sendto",
        "skb:skb_copy_datagram_iovec",
        "sock:sock_recv_length",
        "tcp:tcp_rcv_space_adjust",
    }
)
"""What is kept of the client's thread: it sends, it receives."""


def of_exchange(
    events: Iterable[Observation],
    reported: Iterable[Observation],
    fd: int,
    *,
    client: int | None = None,
) -> list[Observation]:
    """The kernel's events of one exchange, in the same order.

    `reported`: what the serving threads' probes saw of it; `fd`: its socket; `client`: the thread
    of a client of our own.
    """
    return list(_Exchange(list(events), list(reported), fd, client).events())


class _Exchange:
    def __init__(
        self, events: list[Observation], reported: list[Observation], fd: int, client: int | None
    ) -> None:
        self._events = events
        self._fd = fd
        self._client = client
        self._process_of = {one.detail["tid"]: one.detail.get("pid") for one in reported}
        self._serving = set(self._process_of)
        self._helping = self._serving | set(self._helpers())
        self._counting = [
            (one.detail["tid"], one.at_ns - ROUNDED_NS, one.detail["until_ns"] + ROUNDED_NS)
            for one in reported
            if "until_ns" in one.detail
        ]
        self._opening = _openings(reported)

    def _helpers(self) -> Iterator[int]:
        processes = set(self._process_of.values()) - {None}
        for one in self._events:
            process = one.detail.get("pid")
            if process in processes and one.event in MOVING_CALLS:
                self._process_of.setdefault(one.detail["tid"], process)
                yield one.detail["tid"]

    def events(self) -> Iterator[Observation]:
        foreign: set[int] = set()
        """Threads that are in a call for another connection."""
        for one in self._events:
            tid = one.detail["tid"]
            if self._is_foreign(one):
                foreign.add(tid)
            if tid not in foreign and self._is_ours(one):
                yield self._named(one)
            elif tid == self._client and one.event in OF_CLIENT:
                yield replace(one, detail={**one.detail, SIDE: CLIENT})
            if one.event.startswith(EXIT):
                foreign.discard(tid)

    def _is_foreign(self, one: Observation) -> bool:
        if one.event not in SOCKET_CALLS or one.detail["tid"] not in self._serving:
            return False  # a helper may have a descriptor of its own for the same socket
        return bool(one.detail["fields"].get("fd", self._fd) != self._fd)

    def _is_ours(self, one: Observation) -> bool:
        if one.event == "signal:signal_generate":
            return one.detail["fields"].get("pid") in self._helping
        if one.event not in OF_THREADS:
            return True  # chosen by its packet, its disk, its ring
        if one.event.startswith(SCHEDULER):
            return not self._helping.isdisjoint(_about(one))
        return one.detail["tid"] in self._helping and not self._is_of_tracer(one)

    def _is_of_tracer(self, one: Observation) -> bool:
        return one.event.startswith(("syscalls:", "filemap:")) and any(
            tid == one.detail["tid"] and begun <= one.at_ns <= ended
            for tid, begun, ended in self._counting
        )

    def _named(self, one: Observation) -> Observation:
        """With its process, where only we know that; with the name of a file that is opened."""
        detail: dict[str, Any] = one.detail
        process = self._process_of.get(detail["tid"])
        if "pid" not in detail and process is not None:
            detail = {**detail, "pid": process}
        if one.event in OPENING_CALLS:
            for tid, begun, ended, name in self._opening:
                if tid == detail["tid"] and begun <= one.at_ns <= ended:
                    detail = {**detail, "fields": {"name": name, **detail["fields"]}}
        return one if detail is one.detail else replace(one, detail=detail)


def _about(one: Observation) -> set[Any]:
    """The threads that an event of the scheduler is about."""
    fields = one.detail["fields"]
    return {fields.get("prev_pid"), fields.get("next_pid"), fields.get("pid")}


def _openings(reported: list[Observation]) -> list[tuple[int, int, int, str]]:
    """In which thread, from when to when a file was opened, and its name."""
    openings: list[tuple[int, int, int, str]] = []
    begun: dict[int, Observation] = {}
    for one in reported:
        if one.event == "open.enter":
            begun[one.detail["tid"]] = one
        elif one.event == "open.exit" and (entered := begun.pop(one.detail["tid"], None)):
            name = str(entered.detail.get("name", ""))
            span = entered.at_ns - ROUNDED_NS, one.at_ns + ROUNDED_NS
            openings.append((one.detail["tid"], *span, name))
    return openings
