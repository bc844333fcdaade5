"""Which processor core runs what: the servers on one, the load on another.

On the same core the load's own work would push the server aside and empty its caches;
the processor time per request would still be counted right, but not be the same figure.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cores:
    server: int
    load: int

    @property
    def shared(self) -> bool:
        return self.server == self.load


def choose() -> Cores:
    """The first two cores we may use; the same one twice if there is no second."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[min(1, len(allowed) - 1)])


def describe(cores: Cores) -> str:
    if cores.shared:
        return f"servers and load share core {cores.server}, the only one: read with care"
    text = f"servers on core {cores.server}, load on core {cores.load}"
    return text + (" (two threads of one core)" if siblings(cores) else "")


def siblings(cores: Cores) -> bool:
    """Hyper-threads of one core compete for its units, as if they shared it."""
    topology = Path("/sys/devices/system/cpu")
    name = "topology/core_cpus_list"
    try:
        first, second = (
            (topology / f"cpu{n}" / name).read_text() for n in (cores.server, cores.load)
        )
    except OSError:
        return False
    return first == second


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """A child started in this block inherits the pinning; no code runs between fork and exec."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
