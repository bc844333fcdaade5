"""Advice: from rows and nothing else, never one that lost requests, never from noise."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.compare.report.advice import advice
from support.hand_made.rows import figure, row, unavailable

USUAL = "async+multiplexing"
NAMES = (USUAL, "thread+blocking", "process+sigio", "async+aio")


def only(*rows: dict[str, Any]) -> dict[str, Any]:
    (sentence,) = advice(rows, "./site", USUAL)
    return sentence


def test_the_cheaper_is_taken_with_its_figures_and_its_command() -> None:
    found = only(row(USUAL, 20), row("async+aio", 10))

    assert found["take"] == "async+aio"
    assert "10 (9.5 to 10.5) us" in found["text"]
    assert "20 (19 to 21) us" in found["text"]
    assert found["command"] == "fivefold serve ./site --serving async --io aio"


def test_within_the_noise_the_usual_is_kept() -> None:
    """A tenth less in the median, and more in three rounds of twelve: not shown."""
    less = [9.0] * 9 + [11.0] * 3
    aio = {"median": 9.0, "min": 9.0, "max": 11.0, "rounds": less}
    found = only(row(USUAL, 10), row("async+aio", 9, cpu_us_per_request=aio))

    assert found["take"] == USUAL
    assert "no significant difference" in found["text"]
    assert "keep it simple" in found["text"]


def test_what_it_would_cost_is_said() -> None:
    found = only(row(USUAL, 20), row("process+sigio", 10, pss_mib=figure(200)))

    assert found["take"] == "process+sigio"
    assert "It costs: 200 (190 to 210) MiB" in found["text"]


@pytest.mark.parametrize(
    "fault",
    [
        {"lost": {"median": 0, "min": 0, "max": 1}},
        {"errors": {"median": 0, "min": 0, "max": 1}},
        {"clients_left": 63},
    ],
)
def test_a_faulty_pair_is_never_advised(fault: dict[str, Any]) -> None:
    assert only(row(USUAL, 20), row("async+aio", 1, **fault))["take"] == USUAL
    assert only(row(USUAL, 20, **fault))["take"] is None
    assert only(row(USUAL, 20, **fault))["command"] is None


def test_what_cannot_run_and_what_is_not_ours_is_not_advised() -> None:
    peer = row("nginx", 1, serving=None, io=None)
    found = only(unavailable("async+aio", "no io_uring"), row(USUAL, 20), peer)
    assert found["take"] == USUAL


def test_where_connections_grow_the_most_of_them_count() -> None:
    few = [row(USUAL, 10), row("async+aio", 5)]
    many = [row(USUAL, 10, idle_connections=9), row("async+aio", 50, idle_connections=9)]
    assert only(*few, *many)["take"] == USUAL


ROWS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.floats(1, 1000), st.integers(0, 2), st.floats(0, 0.5)),
    min_size=1,
    unique_by=lambda each: each[0],
)


@given(ROWS)
def test_every_figure_stands_in_a_row_it_names(values: list[tuple[str, float, int, float]]) -> None:
    rows = [
        row(name, cpu, lost=figure(lost, 0), cpu_us_per_request=figure(cpu, spread))
        for name, cpu, lost, spread in values
    ]
    found = only(*rows)
    named = [each for each in rows if each["name"] in found["rows"]]
    known = {
        f"{value:.4g}"
        for each in named
        for key in ("cpu_us_per_request", "pss_mib", "requests_per_s")
        for value in (each[key]["median"], each[key]["min"], each[key]["max"])
    }
    assert set(re.findall(r"\d[\d.e+]*\d|\d", found["text"])) <= known
    taken = [each for each in rows if each["name"] == found["take"]]
    assert all(each["lost"]["max"] == 0 for each in taken)
    for other in rows:
        if taken and found["take"] != USUAL and other["lost"]["max"] == 0:
            mine, theirs = taken[0]["cpu_us_per_request"], other["cpu_us_per_request"]
            assert mine["median"] <= theirs["median"]
