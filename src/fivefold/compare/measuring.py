"""One run of one server: the clocks before, the load, the clocks after."""

from __future__ import annotations

import contextlib
import time

from ..linux.accounting import pss_kib, used
from ..linux.counting import Counter
from ..load.generator import Generator
from ..load.job import Job
from .figures import Examined, Sample
from .running import Running

SETTLE_S = 0.05
"""After the load has gone the server still closes its connections, before it is paused."""


def sample(running: Running, generator: Generator, job: Job) -> Sample:
    """A timed run. Raises `DidNotStart` (the server has ended), `LoadFailed`."""
    running.check()
    generator.prepare(job)
    before = used(running.pid)
    generator.go()
    tally = generator.collect()
    after = used(running.pid)
    time.sleep(SETTLE_S)
    return Sample(tally, before, after, pss_kib(running.pid))


def examine(running: Running, generator: Generator, job: Job) -> Examined:
    """A run that warms up and is looked at: memory under load, system calls."""
    running.check()
    rest = pss_kib(running.pid)
    with contextlib.ExitStack() as stack:
        generator.prepare(job)
        counter = counting(stack, running.pid)
        generator.go()
        time.sleep(job.seconds / 2)
        load = pss_kib(running.pid)
        tally = generator.collect()
    per_request = counter.count / tally.requests if counter and tally.requests else None
    return Examined(rest, load, sum(group.count for group in job.groups), per_request)


def counting(stack: contextlib.ExitStack, pid: int) -> Counter | None:
    """A counter of system calls; None without the rights."""
    try:
        return stack.enter_context(Counter(pid))
    except OSError:
        return None
