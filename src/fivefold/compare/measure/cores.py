"""Which processor core runs what: the servers on some, the load on the last.

On the same core the load's own work would push the server aside and empty its caches;
the processor time per request would still be counted right, but not be the same figure.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ...linux.processes import threads_of_tree


@dataclass(frozen=True)
class Cores:
    server: frozenset[int]
    load: int

    @property
    def all(self) -> frozenset[int]:
        return self.server | {self.load}

    @property
    def shared(self) -> bool:
        return self.load in self.server

    def __str__(self) -> str:
        named = ", ".join(map(str, sorted(self.server)))
        if self.shared:
            return f"servers and load share core {named}, the only one: read with care"
        return f"servers on core {named}, load on core {self.load}"


def choose() -> Cores:
    """The last core that we may use is the load's; all others are the servers'."""
    *others, last = sorted(os.sched_getaffinity(0))
    return Cores(frozenset(others or [last]), last)


def pin(pid: int, cores: frozenset[int]) -> None:
    """Every thread of the tree; those started later inherit it."""
    for thread in threads_of_tree(pid):
        try:
            os.sched_setaffinity(thread, cores)
        except ProcessLookupError:
            pass  # it ended meanwhile
