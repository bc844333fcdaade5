"""How long rounds may be, and how many there are, within the time that was said at the start.

Facts.        What a round takes is not known before the first one: a server may have to be started
              again after each (`fleet.py`), its clients may need longer rounds, another program
              may have the cores.
Choice.       The time is kept, and rounds give way: first the longest are made shorter, none of
              them below `Plan.shortest_s`; then there are fewer of them, down to those that were
              promised (`Plan.least_rounds`).
Consequence.  Too few rounds can show no difference: the report says so, and how many can.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from time import monotonic

from ..plan.schedule import Cell

RESERVE_SHARE = 0.75
"""What is reserved is an estimate: with so much of it, what it is for may begin."""


class TimeBudget:
    """`total_s`: from now on; None where the time does not matter. `reserved_s`: the part of it
    that is for what comes after the rounds."""

    def __init__(self, total_s: float | None, reserved_s: float = 0.0) -> None:
        self._end = monotonic() + (math.inf if total_s is None else total_s)
        self.reserved_s = reserved_s

    @property
    def left_s(self) -> float:
        return max(self._end - monotonic(), 0.0)

    @property
    def spare_s(self) -> float:
        return max(self.left_s - self.reserved_s, 0.0)

    @property
    def has_reserve(self) -> bool:
        return self.left_s >= RESERVE_SHARE * self.reserved_s

    def part(self, share: float) -> TimeBudget:
        """Of what is left."""
        return TimeBudget(self.left_s * share, self.reserved_s * share)


def round_s(cells: Sequence[Cell]) -> float:
    """What one round of all of them takes."""
    return sum(each.seconds + each.overhead_s for each in cells)


def fit(cells: Sequence[Cell], rounds: int, left_s: float, shortest_s: float) -> None:
    """Make the longest of their rounds shorter, until so many rounds fit."""
    if not math.isfinite(left_s):
        return
    spare = left_s / rounds - sum(each.overhead_s for each in cells)
    limit = max(level([each.seconds for each in cells], spare), shortest_s)
    for each in cells:
        each.is_cut = each.is_cut or each.seconds > limit
        each.seconds = min(each.seconds, max(limit, each.least_s))


def expect_as_seen(measured: Sequence[Cell], others: Sequence[Cell]) -> None:
    """That a row which had no round yet takes besides what the others took in the mean."""
    mean_s = statistics.mean(each.overhead_s for each in measured)
    for each in others:
        if not each.samples:
            each.overhead_s = max(each.overhead_s, mean_s)


def level(lengths: Sequence[float], spare: float) -> float:
    """Where to cut the longest, so that their sum is `spare`; infinite if it is no more."""
    ascending = sorted(lengths)
    for number, length in enumerate(ascending):
        share = spare / (len(ascending) - number)
        if length > share:
            return max(share, 0.0)
        spare -= length
    return math.inf
