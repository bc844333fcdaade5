"""What the processes of a server hold: memory and descriptors, as /proc says."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from support.process_tree import descendants_of


@dataclass(frozen=True)
class Held:
    at: float
    memory: int
    """Bytes: proportional set size, so that what is shared counts once."""
    descriptors: int
    processes: int


def held(pid: int, at: float) -> Held:
    memory = descriptors = processes = 0
    for each in [pid, *descendants_of(pid)]:
        try:
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
            descriptors += len(os.listdir(f"/proc/{each}/fd"))
        except OSError:
            continue
        match = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
        memory += int(match[1]) * 1024 if match else 0
        processes += 1
    return Held(at, memory, descriptors, processes)


def middle(samples: list[Held], since: float, until: float) -> Held:
    """Of the samples in a window, each figure's median."""
    inside = [sample for sample in samples if since <= sample.at < until]
    figures = [(s.memory, s.descriptors, s.processes) for s in inside]
    memory, descriptors, processes = (int(median(column)) for column in zip(*figures, strict=True))
    return Held(since, memory, descriptors, processes)
