"""Every scenario runs to its end, on a folder or on an application that offers its path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fivefold.compare.plan.scenarios import SCENARIOS
from fivefold.compare.session import Wishes, compared, planned
from fivefold.errors import SettingsError
from fivefold.server.settings import Settings
from support import TESTS
from support.measured_again import measured_again

PATHS = {
    "large": "/large",
    "upload": "/upload",
    "blocking": "/sleep",
    "cpu": "/compute",
    "crash": "/crash",
    "hang": "/hang",
}


OF_APPLICATIONS = tuple(name for name, each in SCENARIOS.items() if not each.evicts)

Row = dict[str, Any]


def rows(settings: Settings, *scenarios: str, **wished: Any) -> list[Row]:
    wishes = Wishes(
        settings, ("thread",), ("epoll",), scenarios=scenarios, budget_s=1.0, rounds=1, **wished
    )
    found: list[Row] = compared(planned(wishes), "it", lambda _: None)["rows"]
    assert {row["scenario"] for row in found} == set(scenarios)
    return found


@pytest.fixture(scope="module")
def measured() -> Callable[[str], list[Row]]:
    """The rows of a scenario: at first those of one comparison for all, so that its servers are
    started once; asked for again, those of another measurement of it alone."""
    settings = Settings(target="applications.wsgi.harmful:app", chdir=TESTS)
    first = rows(settings, *OF_APPLICATIONS, special=PATHS)
    by_scenario = {name: [r for r in first if r["scenario"] == name] for name in OF_APPLICATIONS}

    def of(scenario: str) -> list[Row]:
        special = {scenario: PATHS[scenario]} if scenario in PATHS else {}
        return by_scenario.pop(scenario, None) or rows(settings, scenario, special=special)

    return of


@pytest.mark.parametrize("scenario", OF_APPLICATIONS)
@measured_again
def test_with_an_application(scenario: str, measured: Callable[[str], list[Row]]) -> None:
    for row in measured(scenario):
        assert row["available"], row["reason"]
        assert row["wrong"] == {}
        assert row["requests_per_s"]["min"] > 0


@pytest.mark.parametrize("scenario", ["cold", "large"])
def test_with_a_folder(site: Path, scenario: str) -> None:
    for row in rows(Settings(target=str(site)), scenario):
        assert row["available"], row["reason"]
        assert row["wrong"] == {}


@pytest.mark.parametrize("scenario", sorted(PATHS))
def test_a_path_that_is_needed_is_asked_for(scenario: str) -> None:
    with pytest.raises(SettingsError, match=f"--path-for {scenario}=/PATH"):
        rows(Settings(target="applications.wsgi.harmful:app", chdir=TESTS), scenario)


def test_only_a_folder_has_cold_files() -> None:
    with pytest.raises(SettingsError, match="only a folder"):
        rows(Settings(target="applications.wsgi.harmful:app", chdir=TESTS), "cold")


@measured_again
def test_the_rate_is_the_one_asked_for() -> None:
    settings = Settings(target="applications.wsgi.harmful:app", chdir=TESTS)
    for row in rows(settings, "rate", rate=200.0):
        assert 150 < row["requests_per_s"]["median"] <= 206
