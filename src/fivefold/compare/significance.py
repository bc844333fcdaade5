"""Whether two rows differ, or only their rounds: the method, and why it is this one.

Question.     Row B had 3 % less than row A.  Would A, measured again, have had as much less?
Facts.        A shared machine drifts (a minute is slower than the one before it), and single
              rounds fall far out (another program ran).  A mean with a standard deviation
              knows neither; "the rounds do not overlap" is met by two equal rows of three
              rounds in one of ten cases.
Choice.       Rows take turns, so round n of A and round n of B lie seconds apart: what drifts
              slows both.  Of each round only its sign is taken, whether A or B had more (sign
              test): if both are the same server, either is as likely, so all 2^n arrangements
              of signs are, and the share of them that is as one-sided as ours is exact.
              Holm's correction for the number of rows keeps the chance that *any* of them is
              called different by mistake at `ALPHA`.
              Finally the median ratio must be `WORTH` or more: a server that was started twice
              differs from itself by a percent or so, for as long as it lives (where its memory
              lies), and no rounds can tell that from a model's doing.
Rejected.     Wilcoxon's signed ranks and sums of the ratios themselves: one round in twenty
              that takes up to three times as long hid a difference of 25 % in 34 % of the
              comparisons where the signs hid it in 7 %.  Tests without pairs: drift is larger
              than most differences.
Assumption.   That rounds are independent but for what they share, and that a second instance
              of a server differs from the first by less than `WORTH`.  Where that does not
              hold, a server differs from itself: tests/compare/test_significance.py compares it
              under drift, heavy tails and unlike instances, and tests/soak compares real ones.
Cost.         With n rounds the smallest share is 2 / 2^n, so few rounds can show nothing:
              `rounds_needed` says how many can.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

ALPHA = 0.01
"""The chance, at most, that a comparison of equal servers names any of them as different."""
WORTH = 0.03
"""The smallest effect worth advice: 3 %."""
FEWEST = 5
"""Rounds, at least, of a comparison that chooses for itself."""

SPARE = 6
"""Rounds above the fewest that can show something, so that one of them may lie on
the other side."""

Rounds = Sequence[float | None]
"""A figure, round by round; None where a round had none."""


def rounds_needed(rows: int) -> int:
    """With fewer rounds than this no difference between so many rows can be shown."""
    return max(FEWEST, math.ceil(1 + math.log2(max(rows - 1, 1) / ALPHA)))


def rounds_enough(rows: int) -> int:
    """How many are taken where the user names no number."""
    return rounds_needed(rows) + SPARE


def log_ratios(one: Rounds, other: Rounds) -> list[float]:
    """Of the rounds that both have, and that are no zero."""
    pairs = zip(one, other, strict=False)
    return [math.log(a / b) for a, b in pairs if a and b and a > 0 and b > 0]


def chance(differences: Sequence[float]) -> float:
    """The exact two-sided share of arrangements of signs that are as one-sided as this one.

    Zeros say nothing, and are left out.
    """
    above, below = sum(x > 0 for x in differences), sum(x < 0 for x in differences)
    count = above + below
    as_few = sum(math.comb(count, wrong) for wrong in range(min(above, below) + 1))
    return min(1.0, 2 * as_few / (1 << count))


def holm(chances: Mapping[str, float], alpha: float = ALPHA) -> set[str]:
    """Those of several hypotheses that are rejected together (Holm 1979): the least likely is
    held against alpha / m, the next against alpha / (m - 1), until one is not."""
    rejected: set[str] = set()
    for left, name in zip(range(len(chances), 0, -1), by_value(chances), strict=True):
        if chances[name] > alpha / left:
            break
        rejected.add(name)
    return rejected


def by_value(chances: Mapping[str, float]) -> list[str]:
    return sorted(chances, key=lambda name: chances[name])


def ratios(figures: Mapping[str, Rounds], to: Rounds) -> dict[str, float]:
    """How much larger each is than `to`, the median over the rounds, where it differs from it:
    by the whole rule, so that those missing differ by nothing that was shown."""
    logs = {name: log_ratios(rounds, to) for name, rounds in figures.items()}
    rejected = holm({name: chance(each) for name, each in logs.items()})
    found = {name: math.exp(statistics.median(logs[name])) for name in rejected}
    return {name: ratio for name, ratio in found.items() if is_worth(ratio)}


def is_worth(ratio: float) -> bool:
    return abs(math.log(ratio)) >= math.log1p(WORTH)
