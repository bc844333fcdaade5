"""Accepting that fails for a while, each time, with each error: what it costs, and what heals.

Facts.        accept4(2) is made to fail by strace.  What a ring accepts is no system call: nothing
              can be injected there.
Consequence.  Of a ring only what really lacks can be tried: descriptors.  Every server is tried
              so, by prlimit(2) while it runs.
Assumption.   A multishot accept keeps the limit that held when it was submitted; a server that
              has not many more descriptors than connections makes single ones (`aio/uring`), so
              the limit is low from the beginning.
"""

from __future__ import annotations

import contextlib
import re
import resource
import select
import socket
import time
from collections.abc import Iterator

from fivefold.compare.measure.servers import Running
from support.process_tree import descendants_of

from .ends import ended_well
from .injected import failing
from .limits import SPINNING, processor_s
from .outcome import Outcome, Trial
from .servers import KEPT, SERVERS, sockets, ss, up

DESCRIPTORS = 2048
"""Enough for a server with its usual limits, too few for a multishot accept."""

NONE_LEFT = 3
"""Of descriptors: all that are open stay so, another is not to be had."""

CLIENTS = 20
"""They connect while nothing can be accepted."""

LIMIT = "limit"
"""The way that is no injection."""

BACK_S = 1.0
ANSWERED = b"HTTP/1.1 200"


def listening(running: Running) -> list[int]:
    """Those that hold the listener; a child of a pool has only what it is handed."""
    listeners = set(re.findall(r" ino:(\d+)", ss("-le", f"sport = :{running.port}")))
    return [pid for pid in (running.pid, *descendants_of(running.pid)) if sockets(pid) & listeners]


@contextlib.contextmanager
def without_descriptors(running: Running) -> Iterator[list[str]]:
    """No process that listens may have one more; what fails by that is not counted: it is all."""
    kept = {}
    for pid in listening(running):
        with contextlib.suppress(ProcessLookupError):
            kept[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (NONE_LEFT, kept[pid][1]))
    try:
        yield ["no descriptor"]
    finally:
        for pid, limits in kept.items():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def connected(running: Running, clients: contextlib.ExitStack) -> list[socket.socket]:
    made = []
    for _ in range(CLIENTS):
        made.append(clients.enter_context(socket.create_connection(running.address, 5)))
        made[-1].sendall(KEPT.data)
    return made


def waited(clients: list[socket.socket], until: float) -> int:
    """How many of them are answered until then."""
    count = 0
    for sock in clients:
        sock.settimeout(max(0.001, until - time.monotonic()))
        with contextlib.suppress(OSError):
            count += sock.recv(65536).startswith(ANSWERED)
    return count


def tried(running: Running, way: str, seconds: float, outcome: Outcome) -> tuple[float, float, int]:
    """The share of a processor, the time until all are answered, the calls that failed."""
    starved = (
        without_descriptors(running) if way == LIMIT else failing(running, "accept", way, every=1)
    )
    with contextlib.ExitStack() as stack:
        with starved as injected:
            clients = connected(running, stack)
            time.sleep(0.2)  # the burst is over
            used = processor_s(running)
            time.sleep(seconds)
            share = (processor_s(running) - used) / seconds
            early = len(select.select(clients, (), (), 0)[0])
        healed = time.monotonic()
        answered = waited(clients, healed + 10 * BACK_S)
        back = time.monotonic() - healed
    outcome.must(early < CLIENTS, f"{way}: no client had to wait")
    outcome.must(answered == CLIENTS, f"{way}: {answered} of {CLIENTS} clients were answered")
    outcome.must(back < BACK_S, f"{way}: all were answered after {back:.1f} s")
    outcome.must(share < SPINNING, f"{way}: it took {share:.0%} of a processor")
    outcome.must(bool(injected), f"{way}: no call has failed")
    return share, back, len(injected)


def accept(trial: Trial) -> Outcome:
    """Each error for a while, all the time."""
    outcome = Outcome()
    ways = (*SERVERS[trial.server].accepting_fails, LIMIT)
    low = ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")
    with up(trial.server, before=low) as running:
        found = [tried(running, way, trial.seconds / len(ways), outcome) for way in ways]
        shares, backs, failed = zip(*found, strict=True)
        outcome.figures = {
            "errors": " ".join(ways),
            "failed calls": str(sum(failed)),
            "processor": f"{max(shares):.0%}",
            "all answered after": f"{max(backs):.2f} s",
        }
        ended_well(running, outcome)
    return outcome
