"""Every scenario runs to its end, on a folder or on an application that offers its path."""

from __future__ import annotations

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


def rows(settings: Settings, scenario: str, **wished: Any) -> list[dict[str, Any]]:
    wishes = Wishes(
        settings, ("thread",), ("epoll",), scenarios=(scenario,), budget_s=1.0, rounds=1, **wished
    )
    found: list[dict[str, Any]] = compared(planned(wishes), "it", lambda _: None)["rows"]
    assert {row["scenario"] for row in found} == {scenario}
    return found


@pytest.mark.parametrize("scenario", [name for name, each in SCENARIOS.items() if not each.evicts])
@measured_again
def test_with_an_application(scenario: str) -> None:
    special = {scenario: PATHS[scenario]} if scenario in PATHS else {}
    settings = Settings(target="applications.wsgi.harmful:app", chdir=TESTS)
    for row in rows(settings, scenario, special=special):
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
