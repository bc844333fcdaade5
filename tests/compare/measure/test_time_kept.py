"""The time that was said is kept, whatever a round turns out to take; rounds give way."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from fivefold.compare.figures import Sample
from fivefold.compare.measure import rounds, time_budget
from fivefold.compare.measure.competition import others_running
from fivefold.compare.measure.time_budget import TimeBudget, fit, level
from fivefold.compare.plan.schedule import LONGEST_S, SHORTEST_S, Cell, Plan
from fivefold.compare.session import Wishes, planned
from fivefold.load.tally import Tally
from fivefold.server.settings import Settings


@pytest.mark.parametrize(
    ("lengths", "spare", "cut_at"),
    [([1, 1], 2, math.inf), ([1, 3], 3, 2), ([3, 1, 3], 5, 2), ([1, 1], 1, 0.5), ([1], -1, 0)],
)
def test_the_longest_are_cut_first(lengths: list[float], spare: float, cut_at: float) -> None:
    assert level(lengths, spare) == cut_at


def cells_of(plan: Plan, *seconds: float) -> list[Cell]:
    cells = plan.cells()[: len(seconds)]
    for cell, each in zip(cells, seconds, strict=True):
        cell.seconds, cell.overhead_s = each, 0.5
    return cells


def plan_of(site: Path, seconds: float | None = 20.0) -> Plan:
    return planned(Wishes(Settings(target=str(site)), budget_s=seconds))


def test_rounds_are_cut_so_that_all_of_them_fit(site: Path) -> None:
    cells = cells_of(plan_of(site), 0.5, 3.0)
    fit(cells, 10, 25.0, SHORTEST_S)
    assert [cell.seconds for cell in cells] == [0.5, 1.0]
    assert [cell.is_cut for cell in cells] == [False, True]
    fit(cells, 10, 0.0, SHORTEST_S)
    assert {cell.seconds for cell in cells} == {SHORTEST_S}


def test_rounds_that_would_prove_nothing_are_not_cut(site: Path) -> None:
    (cell,) = cells_of(plan_of(site), 3.0)
    cell.least_s = 2.0
    fit([cell], 10, 1.0, SHORTEST_S)
    assert cell.seconds == 2.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its only entry is the time."""
    now = [0.0]
    monkeypatch.setattr(time_budget, "monotonic", lambda: now[0])
    return now


def taken(plan: Plan, clock: list[float], monkeypatch: pytest.MonkeyPatch, cost_s: float) -> int:
    """How many rounds there are of each row, if each run takes so long besides its seconds, which
    the first shows."""
    cells = plan.cells()
    measuring = rounds.Rounds(plan, cells, None, lambda _: None)  # type: ignore[arg-type]

    def once(cell: Cell, seconds: float) -> Sample:
        clock[0] += seconds + cost_s
        cell.overhead_s = cost_s
        return Sample(Tally(), None, None, None, None)

    monkeypatch.setattr(measuring, "once", once)
    for cell in cells:
        cell.seconds = LONGEST_S
    measuring.take(cells, TimeBudget(plan.total_s, plan.claims_s))
    (count,) = {len(cell.samples) for cell in cells}
    return count


@pytest.mark.parametrize("cost_s", [0.1, 0.4, 1.2])
def test_a_time_that_was_asked_for_is_kept(
    cost_s: float, site: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each of fifteen rows a round that was meant to be five seconds long; what it takes besides
    is known after the first run alone."""
    plan = plan_of(site)
    count = taken(plan, clock, monkeypatch, cost_s)
    one_round_s = 15 * (SHORTEST_S + cost_s)
    assert plan.total_s is not None
    assert 1 <= count <= plan.rounds
    first_run_s = plan.total_s / 15 + cost_s
    assert clock[0] <= max(plan.total_s, one_round_s) + first_run_s


def test_without_a_time_there_are_rounds_enough(
    site: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(site, None)
    assert taken(plan, clock, monkeypatch, 5.0) == plan.needed_rounds == 12
    assert taken(replace(plan, rounds=3, least_rounds=3), clock, monkeypatch, 5.0) == 3


def test_how_many_others_want_to_run() -> None:
    assert others_running("cpu 1 2\nprocs_running 3\nprocs_blocked 0\n") == 2
    assert others_running("procs_running 1\n") == 0
