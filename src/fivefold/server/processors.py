"""How many workers `--workers auto` means: one for each processor that this process may use.

`taskset` and cpusets leave some of the machine's (sched_getaffinity(2)), and a container has a
share of time: `cpu.max` of its control group, or of one above (cgroup-v2.rst of the kernel).  One
and a half processors are two workers, as in Go and Java: time that is left over can then be used.
Assumption: version 2 of control groups, as distributions have had it since 2021; a limit of
version 1 is not seen.
"""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")


def usable(groups: Path = GROUPS, own_group: Path = OWN_GROUP) -> int:
    """At least 1."""
    shares = [share(folder) for folder in folders(groups, own_group)]
    return max(1, math.ceil(min([len(os.sched_getaffinity(0)), *shares])))


def folders(groups: Path, own_group: Path) -> list[Path]:
    """Of our control group and those above it, as far as we see them."""
    with contextlib.suppress(OSError):
        for line in own_group.read_text().splitlines():
            if line.startswith("0::/"):
                own = groups / line.removeprefix("0::/")
                return [own, *(above for above in own.parents if above.is_relative_to(groups))]
    return []


def share(folder: Path) -> float:
    """How many processors' time its processes may use together."""
    with contextlib.suppress(OSError, ValueError):  # "max 100000": as much as there is
        quota, period = map(int, (folder / "cpu.max").read_text().split())
        return quota / period
    return math.inf
