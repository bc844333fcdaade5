"""What a terminal shows: eighty columns, three digits, and nothing that is not known."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.compare.measure.rounds import silence
from fivefold.compare.report.advice import advice
from fivefold.compare.report.columns import three
from fivefold.compare.report.html.page import as_html
from fivefold.compare.report.terminal_table import text
from fivefold.load.tally import Tally
from support.hand_made.rows import document, figure, row, unavailable

USUAL = "async+multiplexing"


def shown(*rows: dict[str, Any]) -> str:
    return text(document(*rows, advice=advice(rows, "./site", USUAL)))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (33824.1, "33800"),
        (999.6, "1000"),
        (32.812, "32.8"),
        (20, "20.0"),
        (1.5625, "1.56"),
        (0.0765, "0.0765"),
        (0.00002, "0.0000"),
    ],
)
def test_three_digits(value: float, said: str) -> None:
    assert three(value) == said


@given(st.floats(1e-2, 1e9))
def test_what_is_said_is_within_half_a_percent(value: float) -> None:
    assert float(three(value)) == pytest.approx(value, rel=0.00501)
    assert "e" not in three(value)


def test_a_usual_result_fits_into_eighty_columns_as_one_table() -> None:
    pairs = ("process+multiplexing", "process+nonblocking", USUAL, "thread+blocking")
    lines = shown(*(row(name, cpu) for cpu, name in enumerate(pairs, 10))).splitlines()

    assert max(map(len, lines)) <= 80
    (heading,) = [line for line in lines if "p50 ms" in line]
    assert "requests/s" in heading
    assert "switches" in heading
    assert any("a crash takes along" in line and "MiB" in line for line in lines)


def test_what_is_wider_becomes_blocks() -> None:
    url = "http://a-server-with-a-long-name.example.org:8080"
    rows = [
        row(USUAL, 10, lost=figure(3, 0), syscalls_per_request=figure(12)),
        row(url, 20, serving=None, io=None, load_is_the_limit=True),
        unavailable("thread+aio", "a reason that is long " * 9),
    ]
    printed = shown(*rows)

    assert max(map(len, printed.splitlines())) <= 80
    assert f"{url}\n    requests/s: >= 50000\n" in printed
    (heading,) = [line for line in printed.splitlines() if "CPU us" in line]
    assert heading.split()[-1] == "calls"


def test_each_answer_has_its_question_its_price_and_who_is_excluded() -> None:
    printed = shown(row(USUAL, 10), row("process+aio", 20), row("async+aio", 5, clients_left=63))

    question = printed.index("Many clients: which pair answers most requests? (steady)")
    answer = printed.index(f"Take {USUAL}, the default: it answers 100000 requests/s.")
    price = printed.index("process+aio would be better in this: a crash takes its own client only")
    excluded = printed.index("Not advised:\n    async+aio: 63 clients got no answer in 5 s.")
    command = printed.index("    fivefold serve ./site --serving async --io multiplexing")
    assert question < answer < price < excluded < command


def test_a_row_without_an_answer_says_what_was_seen_of_it() -> None:
    tally = Tally(clients=64, connected=63, unanswered=64, oldest_unanswered_ns=1_500_000_000)
    seen = silence(tally, "serving / worker 1 has died")
    printed = shown(row(USUAL, 10), row("async+aio", 5, silence=seen))
    assert (
        "async+aio: not one request was answered: 63 connections were made for 64 clients; 64"
        " requests waited, up to 1.5 s; the server's log ends with: serving / worker 1 has died"
    ) in " ".join(printed.split())
    tally.latencies.record(1000)
    assert silence(tally, "") is None


def test_clients_whose_turn_had_not_come_exclude_nobody() -> None:
    printed = shown(row(USUAL, 10), row("async+aio", 5, clients_queued=60))
    assert "and no time for longer rounds: async+aio 60" in " ".join(printed.split())
    assert "Not advised" not in printed


def test_too_few_rounds_are_no_evidence_that_pairs_are_alike() -> None:
    few = [row(name, cpu, rounds=2) for name, cpu in ((USUAL, 10), ("thread+aio", 20))]
    for each in few:
        for key in ("requests_per_s", "cpu_us_per_request", "pss_mib"):
            each[key]["rounds"] = each[key]["rounds"][:2]
    printed = " ".join(shown(*few).split())
    assert "In 2 rounds no difference from thread+aio can be shown; 8 can show one." in printed
    assert "keep it simple" not in printed


@pytest.mark.parametrize(
    ("seconds", "note", "said"),
    [
        (5.0, None, "63 clients got no answer in 5 s."),
        (1.23, None, "in 1.23 s while others had several; a longer comparison shows whether"),
        (1.23, "iterative: one client at a time", "in 1.23 s: it serves one client at a time."),
    ],
)
def test_who_was_left_out_in_how_long(seconds: float, note: str | None, said: str) -> None:
    left = row("thread+aio", 5, clients_left=63, longest_round_s=seconds, note=note)
    assert said in " ".join(shown(row(USUAL, 10), left).split())


def test_a_report_has_three_digits_and_right_numbers_everywhere() -> None:
    found = document(row(USUAL, 10)) | {"seconds": 0.25347, "rounds": 1}
    assert "medians of 1 round of 0.253 s, taken in turns" in text(found)
    assert "measured it: 1 round of 0.253 s, taken in turns" in as_html(found)
