"""One run of one server: the clocks before, the load, the clocks after."""

from __future__ import annotations

import contextlib
import time

from ...linux.accounting import Used, pss_kib, used
from ...linux.tracepoints.counting import Counter
from ...load.generator import Load
from ...load.job import Job
from ..figures import Examined, Sample
from .copied_bytes import bytes_copied
from .servers import Up

SETTLE_S = 0.05
"""After the load has gone the server still closes its connections, before it is paused."""


def sample(running: Up, generator: Load, job: Job) -> Sample:
    """A timed run. Raises `DidNotStart` (the server has ended), `LoadFailed`."""
    running.check()
    generator.prepare(job)
    before = used_by(running)
    generator.go()
    tally = generator.collect()
    after = used_by(running)
    time.sleep(SETTLE_S)
    return Sample(tally, before, after, memory_of(running))


def examine(running: Up, generator: Load, job: Job, *, ours: bool) -> Examined:
    """A run that warms up and is looked at: memory under load, system calls; of a server that is
    `ours` what it copies, too."""
    running.check()
    rest = memory_of(running)
    with contextlib.ExitStack() as stack:
        generator.prepare(job)
        counter = counting(stack, running.pid)
        generator.go()
        time.sleep(job.seconds / 2)
        load = memory_of(running)
        tally = generator.collect()
    asks = next((group.asks for group in job.groups if group.counted), ())
    copied = bytes_copied(running, asks) if ours else None
    per_request = counter.count / tally.requests if counter and tally.requests else None
    return Examined(rest, load, sum(group.count for group in job.groups), per_request, copied)


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
