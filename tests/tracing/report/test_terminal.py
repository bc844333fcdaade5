"""The terminal's form: readable at 80 columns, plain unless asked, and nothing it obeys."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fivefold.tracing.report.labels import FIGURES, SHORT_NAMES, amount, duration
from fivefold.tracing.report.terminal import side_by_side, timeline
from support.hand_made.traces import (
    IN_MEMORY,
    KINDS,
    NO_COPY,
    all_io,
    cold_file,
    unprivileged,
    warm_file,
)

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
KIND = pytest.mark.parametrize("kind", KINDS)


@KIND
@pytest.mark.parametrize("width", [64, 80, 132])
def test_no_line_is_longer_than_the_terminal(kind: str, width: int) -> None:
    for text in (
        timeline(KINDS[kind](), colour=False, width=width),
        side_by_side([KINDS[kind]()] * 5, colour=False, width=width),
    ):
        assert max(map(len, text.splitlines())) <= width


@KIND
def test_plain_text_has_no_escape_codes(kind: str) -> None:
    assert "\x1b" not in timeline(KINDS[kind](), colour=False)


@KIND
def test_colour_changes_nothing_but_the_colour(kind: str) -> None:
    coloured = timeline(KINDS[kind](), colour=True)
    assert "\x1b[" in coloured
    without = [line.rstrip() for line in ESCAPE.sub("", coloured).splitlines()]
    assert without == timeline(KINDS[kind](), colour=False).splitlines()


@KIND
def test_every_step_and_every_figure_is_there(kind: str) -> None:
    text = timeline(KINDS[kind](), colour=False)
    for number, name in enumerate(SHORT_NAMES, 1):
        assert re.search(rf"^{number:>2} {name} ", text, re.MULTILINE)
    for figure in FIGURES:
        assert re.search(rf"^{figure.label} ", text, re.MULTILINE)


def test_bars_lie_one_after_the_other() -> None:
    lines = [line for line in timeline(cold_file(), colour=False).splitlines() if "█" in line]
    starts = [line.index("█") for line in lines[:11]]
    assert starts == sorted(starts)
    assert max(line.count("█") for line in lines[:11]) == lines[5].count("█")


def test_the_header_says_request_pair_and_rights() -> None:
    head = timeline(cold_file(), colour=False).splitlines()[:3]
    assert head == [
        "GET /video.mp4",
        "thread x blocking, status 200, 64.0 KiB, 1.83 ms",
        "privileged: with the kernel's trace events",
    ]
    assert "not privileged" in timeline(unprivileged(), colour=False)


def test_a_step_that_did_not_happen_says_why_and_a_reason_is_said_once() -> None:
    text = " ".join(timeline(warm_file(), colour=False).split())
    assert text.count(IN_MEMORY) == 1
    assert text.count(" - likewise ") == 2
    assert NO_COPY in text


def test_notes_come_last() -> None:
    last = timeline(unprivileged(), colour=False).split("note: ")[1]
    assert " ".join(last.split()) == unprivileged().notes[0]


def test_an_encoding_without_blocks_gets_signs_that_it_has() -> None:
    text = timeline(cold_file(target="/tür"), colour=False, encoding="ascii")
    assert text.isascii()
    assert "####" in text
    assert "12.5 us" in text
    assert r"/t\xfcr" in text


@given(st.text())
def test_a_target_cannot_command_the_terminal(target: str) -> None:
    text = timeline(cold_file(target=f"/{target}", notes=(target,)), colour=False)
    assert all(c.isprintable() for c in text.replace("\n", ""))
    assert max(map(len, text.splitlines())) <= 80
    text.encode()


def test_side_by_side_has_a_row_for_each_model_under_each_figure() -> None:
    text = side_by_side(all_io(), colour=False)
    assert len(re.findall(r"^  multiplexing \(epoll\) +[\d.]+ ", text, re.MULTILINE)) == 8
    assert len(re.findall(r"^  aio \(uring\) ", text, re.MULTILINE)) == 8


def test_side_by_side_names_what_differs() -> None:
    """Their serving models, where all have one I/O model."""
    one = cold_file()
    pairs = [{**one.pair, "serving": serving} for serving in ("process", "thread", "async")]
    text = side_by_side([dataclasses.replace(one, pair=pair) for pair in pairs], colour=False)
    for serving in ("process", "thread", "async"):
        assert len(re.findall(rf"^  {serving} +[\d.]+ ", text, re.MULTILINE)) == 8


def test_a_figure_that_nobody_has_takes_one_line() -> None:
    traces = [
        dataclasses.replace(t, summary=dataclasses.replace(t.summary, disk_wait_us=0))
        for t in all_io()
    ]
    text = side_by_side(traces, colour=False)
    assert re.search(r"^disk wait +0 µs  in all$", text, re.MULTILINE)
    assert len(re.findall(r"^  aio \(uring\) ", text, re.MULTILINE)) == 7


def test_a_note_of_all_is_said_once_and_without_a_name() -> None:
    traces = [cold_file(notes=("the same", "its own")), warm_file(notes=("the same",))]
    said = side_by_side(traces, colour=False)
    assert said.count("the same") == 1
    assert "\nnote: the same\n" in said
    assert "note: blocking: its own" in said
    assert "note: " not in timeline(traces[0], colour=False, alone=False)


def test_side_by_side_has_one_axis() -> None:
    text = side_by_side([cold_file(), warm_file()], colour=False)
    cold, warm = text.split("\ntotal\n")[1].splitlines()[:2]
    assert cold.count("█") == pytest.approx(warm.count("█") * 1830 / 239, rel=0.2)


def test_no_trace_is_an_error() -> None:
    with pytest.raises(ValueError, match="no trace"):
        side_by_side([], colour=False)


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0 µs"),
        (0.25, "0.25 µs"),
        (9.996, "10.0 µs"),
        (99.96, "100 µs"),
        (999.4, "999 µs"),
        (999.6, "1.00 ms"),
        (12_345, "12.3 ms"),
        (2e6, "2.00 s"),
    ],
)
def test_durations(us: float, text: str) -> None:
    assert duration(us) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.50 KiB"), (1024**2, "1.00 MiB"), (2**40, "1024 GiB")],
)
def test_amounts(count: int, text: str) -> None:
    assert amount(count) == text
