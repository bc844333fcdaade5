"""One run in one process: connect all, begin, turn until the time is over, add up."""

from __future__ import annotations

import contextlib
import resource
from time import monotonic_ns, process_time

from .client import Client
from .conduct import KINDS
from .field import Field
from .job import Job
from .tally import Tally

DESCRIPTORS_BESIDE = 64
LONGEST_WAIT_S = 0.05
"""So that the end of a run, or of whoever ordered it, is seen soon."""


def allow_descriptors(job: Job) -> None:
    """This process is the generator's own: nobody else's limit is raised."""
    wanted = sum(group.count for group in job.groups) + DESCRIPTORS_BESIDE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


def run(job: Job) -> Tally:
    """Do the job. Raises OSError if this process cannot have as many connections."""
    allow_descriptors(job)
    field = Field(job)
    clients = [
        KINDS[group.kind](field, group, number)
        for group in job.groups
        for number in range(group.count)
    ]
    with contextlib.ExitStack() as stack:
        stack.callback(field.epoll.close)
        for client in clients:
            stack.callback(client.drop)
            client.connect()
        used, begun = process_time(), monotonic_ns()
        for client in clients:
            client.start()
        turn_until(field, begun + int(job.seconds * 1e9))
        ended = monotonic_ns()
        field.tally.elapsed_s = (ended - begun) / 1e9
        field.tally.busy = (process_time() - used) / field.tally.elapsed_s
        take_stock(field.tally, clients, ended)
    return field.tally


def turn_until(field: Field, end: int) -> None:
    poll, clients = field.epoll.poll, field.clients
    while (now := monotonic_ns()) < end:
        field.run_due(now)
        following = field.next_time()
        limit = end if following is None else min(end, following)
        wait = max(min((limit - monotonic_ns()) / 1e9, LONGEST_WAIT_S), 0.0)
        for fd, events in poll(wait):
            client = clients.get(fd)
            if client is not None:
                client.ready(events)


def take_stock(tally: Tally, clients: list[Client], now: int) -> None:
    """What is still open, and who was served."""
    counted = [client for client in clients if client.group.counted]
    open_asks = [client.due for client in counted if client.ask is not None]
    tally.unanswered = len(open_asks)
    tally.oldest_unanswered_ns = max((now - due for due in open_asks), default=0)
    tally.clients = len(counted)
    tally.clients_served = sum(client.served for client in counted)
