"""The statistical method: against exact tables, and against noise of the shape that machines have.

Noise here is made up, with fixed seeds: a machine that drifts (a random walk all rows share),
rounds far out (one in twenty takes up to three times as long), and instances of one server that
differ from each other by a percent.
"""

from __future__ import annotations

import math
import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.compare.significance import ALPHA, chance, holm, ratios, rounds_enough, rounds_needed

SERVERS = 14


def walked(machine: random.Random, rounds: int) -> list[float]:
    drift = [0.0]
    for _ in range(rounds):
        drift.append(drift[-1] + machine.gauss(0, 0.1))
    return drift


def one_row(
    machine: random.Random, drift: list[float], rounds: int, effect: float = 1.0
) -> list[float]:
    instance = machine.gauss(0, 0.007)
    found = []
    for number in range(rounds):
        own = instance + machine.gauss(0, 0.04)
        if machine.random() < 0.05:
            own += machine.uniform(0, math.log(3))
        found.append(20 * effect * math.exp(drift[number] + own))
    return found


def different(seed: int, rows: int, *, effect: float = 1.0) -> int:
    """How many of these rows differ from the first; `effect`: by how much they do."""
    machine = random.Random(seed)
    rounds = rounds_enough(rows + 1)
    drift = walked(machine, rounds)
    usual = one_row(machine, drift, rounds)
    others = {str(n): one_row(machine, drift, rounds, effect) for n in range(rows)}
    return len(ratios(others, usual))


@pytest.mark.parametrize("rows", [1, SERVERS])
def test_a_server_hardly_ever_differs_from_itself(rows: int) -> None:
    """Forty comparisons, ten times over: two in forty are allowed."""
    wrong = [different(seed, rows) > 0 for seed in range(400)]

    assert max(sum(wrong[at : at + 40]) for at in range(0, 400, 40)) <= 2


@pytest.mark.parametrize("rows", [1, SERVERS])
def test_a_quarter_more_is_seen_through_the_noise(rows: int) -> None:
    seen = [different(seed, rows, effect=1.25) / rows for seed in range(100)]

    assert sum(seen) / len(seen) > 0.85


@given(st.lists(st.integers(-4, 4).map(float), max_size=9))
def test_the_chance_is_that_of_all_arrangements_of_signs(differences: list[float]) -> None:
    """By counting them, one by one."""
    signs = [math.copysign(1, each) for each in differences if each]
    every = [abs(sum(each)) for each in product((1, -1), repeat=len(signs))]
    share = sum(each >= abs(sum(signs)) for each in every) / len(every)

    assert chance(differences) == pytest.approx(share)


def test_a_textbook_example() -> None:
    """Eight of nine hares have longer hind legs (of ten, one the same): p is 10 / 256."""
    assert chance([4, 4, -3, 5, 0, 3, 3, 2, 3, 4]) == pytest.approx(2 * 10 / 512)


def test_holm_stops_at_the_first_that_holds() -> None:
    assert holm({"a": 0.004, "b": 0.02, "c": 0.03}, alpha=0.05) == {"a", "b", "c"}
    assert holm({"a": 0.004, "b": 0.03, "c": 0.026}, alpha=0.05) == {"a"}
    assert holm({"a": 0.02, "b": 0.001}, alpha=0.001) == set()
    assert holm({}) == set()


def test_too_few_rounds_show_nothing_however_large_the_effect() -> None:
    for rows in (2, 3, 15):
        enough = rounds_needed(rows)
        for rounds, shown in ((enough, rows - 1), (enough - 1, 0)):
            usual = [10.0 + n / 100 for n in range(rounds)]
            others = {str(n): [2 * each for each in usual] for n in range(rows - 1)}
            assert len(ratios(others, usual)) == shown


def test_an_effect_below_three_percent_is_none_however_sure() -> None:
    usual = [10.0 + n / 100 for n in range(30)]
    rows = {"less": [each * 1.029 for each in usual], "more": [each / 1.031 for each in usual]}

    assert list(ratios(rows, usual)) == ["more"]


def test_rounds_without_a_figure_are_left_out() -> None:
    usual: list[float | None] = [10.0] * 12
    row: list[float | None] = [None, 0.0, *[5.0 + n / 100 for n in range(10)]]

    assert ratios({"row": row}, usual)["row"] == pytest.approx(0.5, rel=0.02)
    assert ratios({"row": [None] * 12}, usual) == {}
    assert chance([1.0] * 5) > ALPHA
