"""The picture of wait and copy in a terminal, of hand-made lanes."""

from __future__ import annotations

import re

import pytest

from fivefold.tracing.report.terminal_lanes import lanes
from support.hand_made.traces import WAITS, all_io, cold_file, hand_over


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_each_model_has_a_lane_with_its_waits_named(width: int, encoding: str) -> None:
    text = lanes(all_io(), colour=False, width=width, encoding=encoding)
    text.encode(encoding)
    assert max(map(len, text.splitlines())) <= width
    for lane in WAITS.values():
        for segment in lane.segments:
            assert segment.label in words(text)
    assert "asleep in recvfrom 1.00 ms, then copy: recvfrom 54 B, 9.00" in words(text)


def bar(text: str, title: str) -> str:
    (line,) = [one for one in text.splitlines() if one.startswith(title)]
    return line.removeprefix(title).strip()


def test_one_axis_for_all_and_nothing_too_small_to_be_seen() -> None:
    text = lanes(all_io(), colour=False, width=120)
    plain = bar(text, "blocking")
    assert len({len(bar(text, title)) for title in ("blocking", "sigio", "aio (uring)")}) == 1
    assert re.fullmatch("░+█─+▒+█+", plain)
    share = plain.count("░") / len(plain)
    assert share == pytest.approx(1000 / 1830, abs=0.03)
    assert bar(text, "nonblocking").count("╎") == 2


def test_colours_are_those_of_the_actors() -> None:
    assert "\x1b[" in lanes(all_io(), colour=True)
    assert "\x1b[" not in lanes(all_io(), colour=False)


def test_a_hand_over_begins_before_the_first_byte_and_names_process_and_thread() -> None:
    text = lanes([cold_file(lanes=hand_over())], colour=False)
    assert "-900 µs" in text
    for said in ("process 4711, thread 4712", "accept4: descriptor 9", "wakes thread 4712"):
        assert said in words(text)
    assert "thread: accepts" in text


def test_a_trace_without_lanes_has_no_picture() -> None:
    assert lanes([cold_file()], colour=False) == ""


def test_a_title_cannot_move_the_cursor() -> None:
    trace = cold_file(lanes=hand_over(), pair={"serving": "\x1b[2J", "io": "x", "engine": "x"})
    assert "\x1b" not in lanes([trace], colour=False)
