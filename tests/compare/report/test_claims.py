"""The chapter's claims: what each serving model's figures say of them, and where they come from."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fivefold.compare.measure.cores import choose
from fivefold.compare.measure.harm_and_starts import (
    CLIENTS,
    STARTS,
    KeptClient,
    Probe,
    probed,
    served,
    unanswered,
)
from fivefold.compare.plan.contenders import pairs
from fivefold.compare.report.claims import claims
from fivefold.compare.report.terminal_table import text
from fivefold.compare.session import Wishes, planned
from fivefold.server.settings import Settings
from support import TESTS
from support.hand_made.rows import document, figure, row

MODELS = ("process", "thread", "async")
OTHERS = CLIENTS - 1


def probes(**changed: tuple[Any, Any, Any]) -> list[Probe]:
    """As the chapter says, in the order of `MODELS`, but for what is changed."""
    usual = {
        "killed": (0, OTHERS, OTHERS),
        "stopped": (0, OTHERS, OTHERS),
        "kib_per_connection": (900.0, 20.0, 3.0),
        "start_ms": ([3.0] * 20, [0.5] * 20, [0.1] * 20),
    }
    columns = usual | changed
    return [
        Probe(model, **{name: values[at] for name, values in columns.items()})
        for at, model in enumerate(MODELS)
    ]


def rows() -> list[dict[str, Any]]:
    cost = {"process": 80, "thread": 40, "async": 10}
    switches = {"process": 2, "thread": 1.5, "async": 0.02}
    return [
        row(f"{n}+multiplexing", us, context_switches_per_request=figure(switches[n], 0.01))
        for n, us in cost.items()
    ]


def verdicts(found: list[dict[str, Any]]) -> dict[str, str]:
    return {each["figure"].partition(",")[0]: each["verdict"] for each in found}


def test_what_the_chapter_says_is_confirmed() -> None:
    found = claims(probes(), rows())

    assert [each["claim"] for each in found] == ["stability"] * 2 + ["cost"] * 3 + ["speed"]
    assert {each["verdict"] for each in found} == {"confirmed"}
    assert found[0]["figures"] == {"process": "0", "thread": "15", "async": "15"}


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({"killed": (OTHERS, OTHERS, OTHERS)}, "not confirmed here"),
        ({"killed": (OTHERS, 0, OTHERS)}, "refuted here"),
        ({"killed": (0, None, OTHERS)}, "confirmed"),
    ],
)
def test_counts(changed: dict[str, Any], verdict: str) -> None:
    found = verdicts(claims(probes(**changed), rows()))
    assert found["a crash takes"] == verdict


@pytest.mark.parametrize(
    ("kib", "verdict"),
    [((22.0, 20.0, 3.0), "not confirmed here"), ((900.0, 3.0, 20.0), "refuted here")],
)
def test_what_was_measured_once_must_differ_by_a_quarter(
    kib: tuple[float, float, float], verdict: str
) -> None:
    found = verdicts(claims(probes(kib_per_connection=kib), rows()))
    assert found["KiB of memory a connection"] == verdict


def test_rounds_are_held_against_each_other_by_their_signs() -> None:
    half = [3.0, 0.2] * 10
    found = verdicts(claims(probes(start_ms=(half, [0.5] * 20, [0.1] * 20)), rows()))
    assert found["ms to a new one's answer"] == "not confirmed here"

    mine = rows()
    mine[2] = row("async+multiplexing", 200)
    assert verdicts(claims(probes(), mine))["requests a second"] == "refuted here"


def test_of_one_model_nothing_is_said() -> None:
    assert claims(probes()[:1], rows()[:1]) == []


def test_the_models_have_one_engine() -> None:
    """Though the default is thread+blocking, and async with it serves one client at a time."""
    settings = Settings(target="applications.wsgi.harmful:app", chdir=TESTS)
    plan = planned(Wishes(settings, io=("blocking", "multiplexing")))

    assert plan.usual == "thread+blocking"
    assert [each.name for each in plan.of_each_model()] == [f"{m}+multiplexing" for m in MODELS]


def test_the_table_is_the_last_and_fits() -> None:
    found = claims(probes(), rows())
    lines = text({**document(*rows()), "claims": found}).splitlines()

    assert max(map(len, lines)) <= 80
    at = next(n for n, each in enumerate(lines) if each.startswith("The chapter's three claims"))
    assert lines[-1].startswith("speed")
    assert lines[-1].split()[-4:] == ["12500", "25000", "100000", "confirmed"]
    assert "stability" not in " ".join(lines[:at])


def test_one_crash_and_one_hang_are_done_to_real_servers() -> None:
    settings = Settings(target="applications.wsgi.harmful:app", chdir=TESTS, interface="wsgi")
    found = {
        each.serving: each
        for each in probed(pairs(settings, MODELS, ("multiplexing",)), choose(), "/")
    }

    assert (found["process"].stopped, found["process"].killed) == (0, 0)
    for model in ("thread", "async"):
        assert (found[model].stopped, found[model].killed) == (OTHERS, OTHERS)
    for each in found.values():
        assert len(each.start_ms) == STARTS
        assert each.kib_per_connection is not None
    (process, thread) = (sorted(found[n].start_ms)[STARTS // 2] for n in ("process", "thread"))
    assert process > thread


class Patient(KeptClient):
    """Answered so many seconds after the one before it; never, if it is infinitely late."""

    def __init__(self, clock: list[float], late_s: float) -> None:
        self.clock, self.late_s = clock, late_s

    def ask(self) -> None:
        """Nobody is asked."""

    def answered(self, until: float) -> bool:
        self.clock[0] = min(self.clock[0] + self.late_s, until)
        return self.clock[0] < until


def test_who_is_slow_unharmed_is_not_harmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifteen handlers of 0.1 s on one core take longer than a second, and nobody is dead."""
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    slow = [Patient(clock, 0.1) for _ in range(15)]
    asking, patience_s = served([*slow, Patient(clock, math.inf)])
    assert asking == slow
    assert unanswered(asking) > 0
    assert unanswered(asking, patience_s) == 0
