"""One run in one process: connect all, begin, turn until the time is over, add up."""

from __future__ import annotations

import resource
from time import monotonic_ns, process_time
from typing import Self

from .client import Client
from .client_kinds import KINDS, ONCE
from .client_loop import ClientLoop
from .job import Job
from .tally import STALLED_SHARE, Tally

OWN_DESCRIPTORS = 64
LONGEST_WAIT_S = 0.05
PREPARED_NS, STEP_NS = 2_000_000_000, 5_000_000
"""How long clients that ask first may take, and how often the engine looks whether they have."""


def allow_descriptors(job: Job) -> None:
    """This process is the generator's own: no other program's limit is raised."""
    wanted = sum(group.count for group in job.groups) + OWN_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


class Run:
    """One run: `prepare` connects and runs the clients that ask first; `go` is timed.

    Raises OSError if this process cannot have as many connections.
    """

    def __init__(self, job: Job) -> None:
        allow_descriptors(job)
        self.job = job
        self.loop = ClientLoop(job)
        self.clients = [
            KINDS[group.kind](self.loop, group, number)
            for group in job.groups
            for number in range(group.count)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self.clients:
            client.drop()
        self.loop.epoll.close()

    def prepare(self) -> None:
        """A server may leave some of the clients that ask first unanswered: not for ever."""
        first = [client for client in self.clients if client.group.first]
        for client in self.clients:
            client.connect()
        for client in first:
            client.start()
        end = monotonic_ns() + PREPARED_NS
        while monotonic_ns() < end and not all(client.served for client in first):
            turn_until(self.loop, monotonic_ns() + STEP_NS)

    def go(self) -> Tally:
        used, begun = process_time(), monotonic_ns()
        for client in self.clients:
            if not client.group.first:
                client.start()
        turn_until(self.loop, begun + int(self.job.seconds * 1e9))
        ended, tally = monotonic_ns(), self.loop.tally
        tally.elapsed_s = (ended - begun) / 1e9
        tally.busy = (process_time() - used) / tally.elapsed_s
        take_stock(self.loop, self.clients, ended, begun)
        return tally


def turn_until(loop: ClientLoop, end: int) -> None:
    poll, watchers = loop.epoll.poll, loop.watchers
    while (now := monotonic_ns()) < end:
        loop.run_due(now)
        following = loop.next_time()
        limit = end if following is None else min(end, following)
        wait = max(min((limit - monotonic_ns()) / 1e9, LONGEST_WAIT_S), 0.0)
        for fd, events in poll(wait):
            ready = watchers.get(fd)
            if ready is not None:
                ready(events)


def take_stock(loop: ClientLoop, clients: list[Client], now: int, begun: int) -> None:
    """What is still open, and which clients were served."""
    tally = loop.tally
    counted = [client for client in clients if client.group.counted]
    open_asks = [client.due for client in counted if client.ask is not None]
    for group, schedule in loop.schedules.items():
        if group.counted:
            open_asks += schedule.overdue(now)
    once = [client for client in clients if client.group.kind == ONCE]
    tally.kept_waiting = sum(client.ask is not None for client in once)
    tally.unanswered = len(open_asks)
    tally.stalled = sum(due < now - STALLED_SHARE * (now - begun) for due in open_asks)
    tally.oldest_unanswered_ns = max((now - due for due in open_asks), default=0)
    tally.clients = len(counted)
    tally.clients_served = sum(client.served for client in counted)
