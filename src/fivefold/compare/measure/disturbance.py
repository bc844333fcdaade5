"""Whether other programs had the cores during a round: what was used there, less what is ours.

Facts.        /proc/stat counts for each core what user and kernel code used of it, and what a
              hypervisor took away (steal), in ticks of 10 ms, ours included.  What the server's
              tree, the load and we ourselves used is known by exact clocks.
Choice.       The difference is others'.  From `BEARABLE` of the cores' time on the round is
              disturbed: it is measured again, and if that is no better, it is marked.  The load
              average would not do: it is a minute old, and counts ourselves.
              Interrupts are left out, since the network's work for our own packets is among them.
Assumption.   The programs that compete for the cores do so on the cores we use.  Caches and the
              memory's bandwidth are shared by all cores, and what others take there is not seen:
              the rounds take turns for the sake of that.
Cost.         Ticks are samples: in a round of half a second they are 5 % off now and then.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from ..figures import Sample

BEARABLE = 0.2
"""The share of the cores' time that others may have; `make bench` draws the same line."""
REPEATED = 0.25
"""Of all rounds, the share that may be measured again, at most: on a machine that is busy all
the time it would be all of them."""

TICKS_S = os.sysconf("SC_CLK_TCK")
COUNTED = (0, 1, 2, 7)
"""Of the columns of proc_stat(5): user, nice, system, steal."""


def busy_s(cores: Collection[int], table: str | None = None) -> float:
    """Seconds that these cores were used so far, by anybody."""
    lines = (table or Path("/proc/stat").read_text()).splitlines()
    wanted = {f"cpu{core}" for core in cores}
    columns = [line.split()[1:] for line in lines if line.partition(" ")[0] in wanted]
    return sum(int(each[at]) for each in columns for at in COUNTED) / TICKS_S


def is_disturbed(sample: Sample) -> bool:
    return sample.foreign is not None and sample.foreign > BEARABLE


def warning(samples: Sequence[Sample]) -> str | None:
    """What a reader must know before anything else; None if the machine was ours."""
    disturbed = [each.foreign for each in samples if each.foreign and is_disturbed(each)]
    if not disturbed:
        return None
    shares = dict.fromkeys(f"{100 * each:.0f} %" for each in (min(disturbed), max(disturbed)))
    return (
        f"The machine was busy: in {len(disturbed)} of {len(samples)} rounds other programs had"
        f" {' to '.join(shares)} of the cores' time."
        " Differences count only where they are seen in spite of it; figures may be too bad."
        " Measure again when the machine has nothing else to do."
    )
