"""Other programs on the cores: seen by the kernel's table, measured again, said first."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fivefold.compare.figures import Sample
from fivefold.compare.measure import rounds
from fivefold.compare.measure.cores import choose, pin
from fivefold.compare.measure.disturbance import BEARABLE, busy_s, is_disturbed, warning
from fivefold.compare.measure.time_budget import TimeBudget
from fivefold.compare.report.terminal_table import text
from fivefold.compare.session import Wishes, compared, planned
from fivefold.load.tally import Tally
from fivefold.server.settings import Settings
from support.hand_made.rows import document, row

TABLE = """cpu  0 0 0 0 0 0 0 0 0 0
cpu0 100 20 30 4000 50 60 70 80 9 9
cpu1 1 2 3 4 5 6 7 8 9 9
cpu10 1000 0 0 0 0 0 0 0 0 0
intr 5
"""


def sampled(foreign: float | None) -> Sample:
    return Sample(Tally(), None, None, None, foreign)


def test_what_was_used_of_the_cores() -> None:
    """User, nice, system and steal; neither idle, nor interrupts, nor guests a second time."""
    ticks = os.sysconf("SC_CLK_TCK")
    assert busy_s({0}, TABLE) == 230 / ticks
    assert busy_s({0, 1}, TABLE) == 244 / ticks
    assert busy_s((), TABLE) == 0


@contextlib.contextmanager
def burning(cores: frozenset[int]) -> Iterator[None]:
    """A program on each of the cores that never pauses."""
    with contextlib.ExitStack() as stack:
        for core in cores:
            burner = stack.enter_context(subprocess.Popen([sys.executable, "-c", "while 1: pass"]))
            stack.callback(burner.kill)
            pin(burner.pid, frozenset({core}))
        yield


def test_a_busy_machine_is_seen_and_said_first(site: Path) -> None:
    wishes = Wishes(Settings(target=str(site)), ("async",), ("multiplexing",), budget_s=3.0)
    plan = replace(planned(wishes), rounds=5, run_s=0.5)
    with burning(choose().all):
        found = compared(plan, str(site), lambda _: None)

    assert [row["disturbed_rounds"] for row in found["rows"]] == [5]
    assert text(found).startswith("The machine was busy: in 5 of 5 rounds")


def test_on_a_quiet_machine_nothing_is_said() -> None:
    assert warning([sampled(0.0), sampled(None), sampled(BEARABLE)]) is None
    assert text(document(row("async+multiplexing", 10))).startswith("processor:")


def test_the_share_of_others_is_a_range_only_where_it_differs() -> None:
    said = warning([sampled(0.22), sampled(0.0)])
    assert said is not None
    assert "in 1 of 2 rounds other programs had 22 % of the cores" in said
    said = warning([sampled(0.22), sampled(0.4)])
    assert said is not None
    assert "22 % to 40 % of the cores" in said


@pytest.mark.parametrize(
    ("foreign", "kept"), [([0.1], 0.1), ([0.5, 0.05], 0.05), ([0.5, 0.9], 0.5), ([None], None)]
)
def test_a_disturbed_round_is_measured_again_once(
    monkeypatch: pytest.MonkeyPatch, site: Path, foreign: list[float | None], kept: float | None
) -> None:
    plan = planned(Wishes(Settings(target=str(site)), ("async",), ("multiplexing",)))
    cells = plan.cells()
    measuring = rounds.Rounds(plan, cells, None, lambda _: None)  # type: ignore[arg-type]
    found = map(sampled, foreign)
    monkeypatch.setattr(measuring, "once", lambda *_: next(found))

    assert measuring.undisturbed(cells[0], TimeBudget(None)).foreign == kept
    assert list(found) == []


def test_not_all_rounds_are_measured_again(monkeypatch: pytest.MonkeyPatch, site: Path) -> None:
    """On a machine that is busy all the time it would take twice as long, and be no better."""
    plan = replace(
        planned(Wishes(Settings(target=str(site)), ("async",), ("multiplexing",))), rounds=8
    )
    (cell,) = plan.cells()
    measuring = rounds.Rounds(plan, [cell], None, lambda _: None)  # type: ignore[arg-type]
    taken = map(sampled, [0.9] * 99)
    monkeypatch.setattr(measuring, "once", lambda *_: next(taken))
    kept = [measuring.undisturbed(cell, TimeBudget(None)) for _ in range(8)]

    assert all(map(is_disturbed, kept))
    assert len(list(taken)) == 99 - (8 + 2)
