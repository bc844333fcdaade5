"""Ratios of processor time per request, and whether the targets are reached.

A ratio is taken round by round, between two rows that ran seconds apart, and the median of
those is reported: what slows the machine for a while slows both, and cancels out.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rounds import Result
from rows import Target


@dataclass(frozen=True)
class Spread:
    """A median and how far the rounds lay apart."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    target: Target
    ratio: Spread | None  # None: not measured
    reached: bool | None
    note: str = ""


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def ratio(result: Result, other: Result, *, throughput: bool = False) -> Spread | None:
    """How much more processor time `result` takes, or how many more requests it serves;
    None without a common round."""
    rounds = list(zip(result.samples, other.samples, strict=False))
    if not rounds:
        return None
    if throughput:
        return spread([a.requests_per_s / b.requests_per_s for a, b in rounds])
    return spread([a.cpu_us / b.cpu_us for a, b in rounds])


def judge(target: Target, results: dict[str, Result]) -> Verdict:
    """Reached, missed, or not measured; with errors no figure counts."""
    row, other = results.get(target.row), results.get(target.other)
    if row is None or other is None:
        return Verdict(target, None, None, "not measured")
    problem = row.problem or other.problem
    measured = ratio(row, other, throughput=target.throughput)
    if problem is not None or measured is None:
        return Verdict(target, None, None, f"not measured: {problem or 'no rounds'}")
    if sum(s.errors for s in (*row.samples, *other.samples)):
        return Verdict(target, measured, None, "the load saw errors")
    disturbed = sum(s.disturbed for s in (*row.samples, *other.samples))
    note = "(disturbed)" if disturbed else ""
    below = measured.median <= target.limit
    reached = measured.median >= target.limit if target.throughput else below
    return Verdict(target, measured, reached, note)


def judge_all(targets: Sequence[Target], results: dict[str, Result]) -> list[Verdict]:
    """The targets of rows that were asked for."""
    return [judge(t, results) for t in targets if t.row in results]
