"""What decides, and what it costs: figures with the words in which a sentence says them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...serving import MODELS as SERVING_MODELS
from ..figures import Row
from ..plan.scenarios import LOST, SCENARIOS
from ..significance import Rounds, ratios
from .columns import three


@dataclass(frozen=True)
class Criterion:
    """`key`: the figure's.  "async+aio {verb} 12.3 {unit}"."""

    key: str
    verb: str
    unit: str
    less_is_better: bool = True
    counted: bool = False
    """Whether it counts harm, which is the same in every round, rather than measures."""

    def of(self, row: Row) -> dict[str, Any] | None:
        group, _, name = self.key.rpartition(".")
        found: dict[str, Any] | None = (row[group] or {}).get(name) if group else row[self.key]
        return found

    def median(self, row: Row) -> float:
        found = self.of(row)
        assert found is not None, f"{self.key} was not measured"
        return float(found["median"])

    def rounds(self, row: Row) -> Rounds:
        """None in a document of before there was this."""
        found: Rounds = (self.of(row) or {}).get("rounds", ())
        return found

    def best_first(self, rows: Sequence[Row]) -> list[Row]:
        return sorted(rows, key=self.median, reverse=not self.less_is_better)

    def said(self, row: Row) -> str:
        return f"{three(self.median(row))} {self.unit}"

    def is_better(self, ratio: float) -> bool:
        return (ratio < 1) == self.less_is_better


MOST = Criterion("requests_per_s", "answers", "requests/s", less_is_better=False)
CHEAPEST = Criterion("cpu_us_per_request", "needs", "us of processor time a request")
CRITERIA: dict[str, Criterion] = {
    each.key: each
    for each in (
        MOST,
        CHEAPEST,
        Criterion("latency_ms.p99", "answers 99 of 100 requests within", "ms"),
        Criterion("pss_mib", "takes", "MiB of memory"),
        Criterion(LOST, "loses", "requests of other clients", counted=True),
        Criterion("requests_stalled", "leaves", "requests waiting", counted=True),
    )
}
DISTURBED = 0.5
"""From this share of the rounds on, throughput is what others left over."""
PRICES = ("requests_per_s", "latency_ms.p99", "cpu_us_per_request", "pss_mib")
"""What stands side by side, and what a choice may cost."""


def deciding(scenario: str, rows: Sequence[Row]) -> Criterion:
    """What answers the scenario's question, but processor time where requests a second would and
    are not the servers' (`instead`)."""
    wanted = CRITERIA[SCENARIOS[scenario].decides]
    return CHEAPEST if wanted is MOST and instead(rows) else wanted


def instead(rows: Sequence[Row]) -> str | None:
    """Why requests a second are not the servers'; None if they are."""
    if any(row["load_is_the_limit"] for row in rows):
        return "The load generator was the limit, so processor time decides."
    if sum(row["disturbed_rounds"] for row in rows) > DISTURBED * sum(r["rounds"] for r in rows):
        return "Other programs had the machine, so processor time decides: they spoil it least."
    return None


def differences(criterion: Criterion, rows: Sequence[Row], usual: Row) -> dict[str, float]:
    """Rows by name that differ from the usual one: how many times as much they have.

    Harm is counted: what happens in every round is no noise, and may be none at all.
    """
    others = [row for row in rows if row is not usual]
    if criterion.counted:
        found = {row["name"]: apart(criterion, row, usual) for row in others}
        return {name: ratio for name, ratio in found.items() if ratio is not None}
    return ratios({row["name"]: criterion.rounds(row) for row in others}, criterion.rounds(usual))


def apart(criterion: Criterion, row: Row, usual: Row) -> float | None:
    """Below or above 1 where no round of the one has as much as any round of the other."""
    a, b = criterion.of(row), criterion.of(usual)
    assert a is not None
    assert b is not None
    if not (a["max"] < b["min"] or a["min"] > b["max"]):
        return None
    return float(a["median"] / b["median"]) if b["median"] else math.inf


def isolates(row: Row) -> bool:
    """Whether each connection has a process of its own."""
    traits = SERVING_MODELS[row["serving"]].traits
    return not traits.one_thread and not traits.many_threads


def isolation(row: Row) -> str:
    """What a crash takes along; other people's servers do not tell."""
    return SERVING_MODELS[row["serving"]].traits.crash_takes if row["serving"] else "unknown"
