"""One run of one server: the clocks before, the load, the clocks after."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Collection

from ...linux.accounting import Used, pss_kib, used
from ...linux.tracepoints.counting import Counter
from ...load.generator import Load
from ...load.job import Job
from ...load.tally import Tally
from ..figures import Examined, Reach, Sample
from .asked_alone import shortest_ms
from .copied_bytes import bytes_copied
from .disturbance import busy_s
from .servers import Up

COPIED_BEHIND_S = 1.0
"""Behind a longer queue than this no request is traced: it would not be answered in time."""

SETTLE_S = 0.05
"""After the load has gone the server still closes its connections, before it is paused."""


def sample(running: Up, generator: Load, job: Job, cores: Collection[int] = ()) -> Sample:
    """A timed run; `cores`: those that nobody else should have.

    Raises `DidNotStart` (the server has ended), `LoadFailed`.
    """
    running.check()
    generator.prepare(job)
    before, clocks = used_by(running), clocks_of(cores)
    generator.go()
    tally = generator.collect()
    passed = [now - then for then, now in zip(clocks, clocks_of(cores), strict=True)]
    after = used_by(running)
    foreign = None
    if before is not None and after is not None and cores:
        server_s, load_s = after.cpu_s - before.cpu_s, tally.busy * tally.elapsed_s
        busy, own, wall = passed
        foreign = max(busy - own - server_s - load_s, 0) / (wall * len(cores))
    time.sleep(SETTLE_S)
    return Sample(tally, before, after, memory_of(running), foreign)


def clocks_of(cores: Collection[int]) -> tuple[float, float, float]:
    """What anybody used of the cores, what we did, and the time."""
    return busy_s(cores), time.process_time(), time.monotonic()


def examine(running: Up, generator: Load, job: Job, *, ours: bool) -> Examined:
    """A run that warms up and is looked at: memory under load, system calls; of a server that is
    `ours` what it copies, and how long one request takes alone, too."""
    running.check()
    rest = memory_of(running)
    asks = next((group.asks for group in job.groups if group.counted), ())
    alone = shortest_ms(running.address, asks) if ours else None
    with contextlib.ExitStack() as stack:
        generator.prepare(job)
        counter = counting(stack, running.pid)
        generator.go()
        time.sleep(job.seconds / 2)
        load = memory_of(running)
        tally = generator.collect()
    behind_s = backlog_s(tally)
    copied = bytes_copied(running, asks) if ours and behind_s < COPIED_BEHIND_S else None
    per_request = counter.count / tally.requests if counter and tally.requests else None
    connections = sum(group.count for group in job.groups)
    return Examined(rest, load, connections, per_request, copied, Reach.of(tally), behind_s, alone)


def backlog_s(tally: Tally) -> float:
    """How long a server that goes on as it did needs for what was open at the end of a round."""
    if not tally.unanswered:
        return 0.0
    return tally.unanswered / tally.requests_per_s if tally.requests else math.inf


def used_by(running: Up) -> Used | None:
    """None for a server that is not ours to look into."""
    return None if running.pid is None else used(running.pid)


def memory_of(running: Up) -> int | None:
    return None if running.pid is None else pss_kib(running.pid)


def counting(stack: contextlib.ExitStack, pid: int | None) -> Counter | None:
    """A counter of system calls; None without the rights."""
    if pid is None:
        return None
    try:
        return stack.enter_context(Counter(pid))
    except OSError:
        return None
