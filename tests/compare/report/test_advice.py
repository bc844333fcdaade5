"""Advice: from rows and nothing else, never one that lost requests, never from noise."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.compare.report.advice import advice
from fivefold.compare.report.columns import three
from support.hand_made.rows import ROUNDS, figure, row, unavailable

USUAL = "async+multiplexing"
NAMES = (USUAL, "thread+blocking", "process+sigio", "async+aio")


def only(*rows: dict[str, Any], interface: str = "static") -> dict[str, Any]:
    """The answer to the scenario's question; that of memory comes behind it."""
    return advice(rows, "./site", USUAL, interface)[0]


def test_the_better_is_taken_with_its_figures_and_its_command() -> None:
    found = only(row(USUAL, 20), row("async+aio", 10))

    assert found["question"] == "Many clients: which pair answers most requests?"
    assert found["take"] == "async+aio"
    assert found["text"] == (
        "Take async+aio: it answers 100000 requests/s,"
        " where async+multiplexing, the default, answers 50000 requests/s."
    )
    assert found["command"] == "fivefold serve ./site --serving async --io aio"


def test_within_the_noise_the_usual_is_kept() -> None:
    """A tenth more in the median, and less in three rounds of twelve: not shown."""
    rounds = [11.0] * 9 + [9.0] * 3
    more = {"median": 11.0, "min": 9.0, "max": 11.0, "rounds": rounds}
    found = only(
        row(USUAL, 10, requests_per_s=figure(10, 0)), row("async+aio", 9, requests_per_s=more)
    )

    assert found["take"] == USUAL
    assert "No significant difference from async+aio was shown: keep it simple" in found["text"]


def test_where_the_load_was_the_limit_processor_time_decides() -> None:
    found = only(row(USUAL, 20), row("async+aio", 10, load_is_the_limit=True))

    assert found["take"] == "async+aio"
    assert "needs 10.0 us of processor time a request" in found["text"]
    assert "The load generator was the limit" in found["text"]


def test_on_a_busy_machine_processor_time_decides() -> None:
    """Throughput is what others left over; it was the same by chance."""
    rows = [
        row(name, cpu, requests_per_s=figure(1000), disturbed_rounds=ROUNDS)
        for name, cpu in ((USUAL, 20), ("async+aio", 10))
    ]
    found = only(*rows)

    assert found["take"] == "async+aio"
    assert "Other programs had the machine" in found["text"]
    assert only(*({**each, "disturbed_rounds": 1} for each in rows))["take"] == USUAL


def test_what_it_would_cost_is_said() -> None:
    found = only(row(USUAL, 20), row("async+sigio", 10, pss_mib=figure(200)))

    assert found["take"] == "async+sigio"
    (price,) = found["price"]
    assert price == f"{USUAL} would be better in this: it takes 20.0 MiB of memory, not 200."


def test_the_best_of_each_serving_model_stands_next_to_it() -> None:
    rows = [row(USUAL, 10), row("async+aio", 20), row("process+aio", 30), row("process+sigio", 40)]
    found = only(*rows, row("thread+aio", 25))

    assert found["rows"] == (USUAL, "thread+aio", "process+aio")
    (price,) = found["price"]
    assert price == (
        "process+aio would be better in this:"
        " a crash takes its own client only, not all clients of the worker."
    )


def test_memory_has_an_answer_of_its_own() -> None:
    rows = [row(USUAL, 10), row("thread+aio", 20, pss_mib=figure(10))]
    *_, found = advice(rows, "./site", USUAL)

    assert found["question"] == "Memory: which pair needs least of it?"
    assert found["take"] == "thread+aio"
    (price,) = found["price"]
    assert price == (
        f"{USUAL} would be better in this: it answers 100000 requests/s, not 50000;"
        " it answers 99 of 100 requests within 0.100 ms, not 0.200;"
        " it needs 10.0 us of processor time a request, not 20.0."
    )


def test_harm_is_counted() -> None:
    lost = {
        name: figure(count, 0) for name, count in (("async", 15), ("thread", 15), ("process", 0))
    }
    rows = [row(f"{n}+multiplexing", 10, scenario="crash", lost=each) for n, each in lost.items()]
    found = only(*rows)

    assert found["take"] == "process+multiplexing"
    assert "it loses 0 requests of other clients" in found["text"]


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
def test_every_figure_stands_in_a_row(values: list[tuple[str, float, int, float]]) -> None:
    rows = [
        row(name, cpu, lost=figure(lost, 0), cpu_us_per_request=figure(cpu, spread))
        for name, cpu, lost, spread in values
    ]
    found = only(*rows)
    known = {
        three(each[key]["median"])
        for each in rows
        for key in ("cpu_us_per_request", "pss_mib", "requests_per_s")
    }
    known |= {three(each["latency_ms"]["p99"]["median"]) for each in rows} | {"99", "100"}
    known |= {f"{each['lost']['max']:g}" for each in rows}
    said = " ".join([found["text"], *found["price"], *found["excluded"]])
    assert set(re.findall(r"\d[\d.]*\d|\d", said)) <= known
    taken = [each for each in rows if each["name"] == found["take"]]
    assert all(each["lost"]["max"] == 0 for each in taken)
