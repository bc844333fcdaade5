"""How much of the machine other programs have, before the first round: the time that is said at the
start depends on it.

Facts.        /proc/stat counts what was used of each core, and how many threads want to run now.
              Whoever wants a core that n others want has it for 1 / (n + 1) of the time.
Assumption.   It stays as it was in the look: a program that begins later makes rounds fewer
              (`time_budget.py`), not the time longer.
"""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from .disturbance import busy_s

LOOKS, LOOK_S = 5, 0.05
SLOWEST = 4.0
"""More is not believed: what competes for so short a look may be gone in a second."""
RUNNING = re.compile(r"^procs_running (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Competition:
    """`share`: of the cores' time, that others have. `slower`: how many times as long a program
    takes that computes."""

    share: float = 0.0
    slower: float = 1.0


QUIET = Competition()


def competition(cores: Collection[int]) -> Competition:
    """Takes a quarter of a second."""
    before, begun = busy_s(cores), time.monotonic()
    wanting = []
    for _ in range(LOOKS):
        time.sleep(LOOK_S)
        wanting.append(others_running(Path("/proc/stat").read_text()))
    share = (busy_s(cores) - before) / ((time.monotonic() - begun) * len(cores))
    return Competition(share, min(1 + statistics.mean(wanting) / len(cores), SLOWEST))


def others_running(table: str) -> int:
    """Threads of others that run or want to, with all cores (proc_stat(5))."""
    found = RUNNING.search(table)
    return max(int(found[1]) - 1, 0) if found else 0
