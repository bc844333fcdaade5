"""Rounds are as long as their clients need, and a pair is judged by what the scenario is about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fivefold.compare.measure import rounds
from fivefold.compare.plan.schedule import LONGEST_S
from fivefold.compare.report import document
from fivefold.compare.report.soundness import is_sound, reasons_against
from fivefold.compare.session import Wishes, compared, planned
from fivefold.server.settings import Settings
from support import TESTS
from support.hand_made.rows import figure, row
from support.measured_again import measured_again


def measured(settings: Settings, io: str) -> dict[str, Any]:
    wishes = Wishes(settings, ("async",), (io,), budget_s=1.0, rounds=1)
    plan = replace(planned(wishes), total_s=60.0)  # short rounds, and time for longer ones
    rows = compared(plan, "it", lambda _: None)["rows"]
    (found,) = [each for each in rows if each["name"] == f"async+{io}"]
    assert isinstance(found, dict)
    return found


def test_a_round_lasts_until_every_client_was_answered() -> None:
    """64 clients and a handler that keeps the loop for 20 ms: 1.3 s, where 0.2 were planned."""
    settings = Settings(target="applications.asgi.blocks:app", chdir=TESTS)
    found = measured(settings, "multiplexing")

    assert found["seconds"] > 1
    assert found["clients_served_percent"]["min"] == 100
    assert is_sound(found)


@measured_again
def test_a_round_begins_when_what_the_last_one_left_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request of each of 64 clients, who have gone: 1.3 s of work for a round that is shorter.
    A client alone was answered behind nobody, and one after the other they are as fast."""
    for module in (rounds, document):
        monkeypatch.setattr(module, "LONGEST_S", 0.4)
    settings = Settings(target="applications.asgi.blocks:app", chdir=TESTS)
    found = measured(settings, "multiplexing")

    assert found["clients_left"]
    assert 0.5 < found["requests_per_s"]["min"] * found["alone_ms"] / 1e3 < 1.5


def test_whom_the_server_leaves_out_a_longer_round_does_not_help(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LONGEST_S == 5
    for module in (rounds, document):  # where a second tells it as well
        monkeypatch.setattr(module, "LONGEST_S", 1.0)
    found = measured(Settings(target=str(site)), "blocking")

    assert found["clients_left"] > 32
    assert not is_sound(found)
    assert "got no answer in 1 s: it serves one client at a time" in reasons_against(found)[-1]


LOSSES = {"lost": figure(12, 0)}
WRONG = {"errors": figure(3, 0), "wrong": {"status": 3}}


@pytest.mark.parametrize(
    ("scenario", "fault", "sound"),
    [
        ("steady", LOSSES, False),
        ("crash", LOSSES | WRONG, True),
        ("hang", {"requests_stalled": figure(16, 0)}, True),
        ("hang", LOSSES, False),
        ("rate", {"clients_left": 5}, True),
        ("idle", {"clients_left": 5}, False),
        ("blocking", {"clients_left": 5}, True),
        ("blocking", WRONG, False),
        ("crash", {"rounds_unharmed": 1}, False),
        ("hang", {"rounds_unharmed": 5}, False),
    ],
)
def test_a_fault_counts_where_the_scenario_is_not_about_it(
    scenario: str, fault: dict[str, Any], *, sound: bool
) -> None:
    assert is_sound(row("async+multiplexing", 10, scenario=scenario, **fault)) is sound


def harmed(scenario: str, path: str, rounds: int = 1) -> dict[str, Any]:
    settings = Settings(target="applications.wsgi.harmful:app", chdir=TESTS)
    wishes = Wishes(settings, ("thread",), ("epoll",), budget_s=1.0, rounds=rounds)
    wishes = replace(wishes, scenarios=(scenario,), special={scenario: path})
    document = compared(planned(wishes), "it", lambda _: None)
    (found,) = [each for each in document["rows"] if each["name"] == "thread+epoll"]
    return {**found, "advice": document["advice"][0]}


@pytest.mark.parametrize(("scenario", "path"), [("crash", "/crash"), ("hang", "/hang")])
def test_harm_that_was_done_is_evidence(scenario: str, path: str) -> None:
    found = harmed(scenario, path)
    assert found["rounds_unharmed"] == 0
    assert is_sound(found)


@pytest.mark.parametrize("scenario", ["crash", "hang"])
def test_a_request_that_is_answered_is_no_evidence_of_isolation(scenario: str) -> None:
    found = harmed(scenario, "/sleep")
    assert found["rounds_unharmed"] == found["rounds"]
    assert f"in 1 of 1 rounds the request of --path-for {scenario}" in reasons_against(found)[0]
    assert found["advice"]["take"] is None


def test_a_round_lasts_until_the_crash_has_come() -> None:
    found = harmed("crash", "/crash_late", rounds=3)
    assert found["seconds"] > 0.5
    assert found["rounds_unharmed"] < 3
    assert found["lost"]["max"] > 0
