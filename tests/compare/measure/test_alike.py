"""All servers of a comparison are treated alike, or it finds what it did to them itself."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fivefold.compare.measure import rounds, run
from fivefold.compare.measure.servers import Running
from fivefold.compare.session import Wishes, compared, planned
from fivefold.load.job import Expected
from fivefold.server.settings import Settings


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[str]]:
    """By port: what `http.client` asked of it, in the comparison's own process."""
    seen: dict[int, list[str]] = {}
    request = http.client.HTTPConnection.request

    def spied(self: http.client.HTTPConnection, method: str, url: str, *rest: Any) -> None:
        seen.setdefault(self.port, []).append(f"{method} {url}")
        request(self, method, url, *rest)

    monkeypatch.setattr(http.client.HTTPConnection, "request", spied)
    return seen


@pytest.fixture
def before_the_load(
    asked: dict[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> dict[int, list[str]]:
    """By port: what had been asked of a server when it was loaded for the first time."""
    found: dict[int, list[str]] = {}
    examine: Callable[..., Any] = run.examine

    def spied(running: Running, *rest: Any, ours: bool) -> Any:
        found.setdefault(running.port, list(asked.get(running.port, [])))
        return examine(running, *rest, ours=ours)

    monkeypatch.setattr(rounds, "examine", spied)
    return found


def test_every_server_was_asked_the_same_before_its_first_load(
    site: Path, before_the_load: dict[int, list[str]]
) -> None:
    io = ("multiplexing", "nonblocking", "sigio")
    wishes = Wishes(Settings(target=str(site)), ("async",), io, budget_s=1.0, rounds=1)
    plan = planned(wishes)
    compared(plan, "it", lambda _: None)

    first, *others = before_the_load.values()
    assert len(others) == sum(each.available for each in plan.contenders) - 1
    assert {each.removeprefix("GET ") for each in first} == set(plan.paths)
    assert all(each == first for each in others)


def test_nobody_is_asked_where_the_right_answers_are_known(
    site: Path, asked: dict[int, list[str]]
) -> None:
    """`make bench` knows them, and its servers may speak TLS alone."""
    wishes = Wishes(
        Settings(target=str(site)), ("async",), ("multiplexing",), budget_s=0.5, rounds=1
    )
    plan = planned(wishes)
    known = {path: Expected(200, None, None) for path in plan.paths}
    compared(replace(plan, expected=known), "it", lambda _: None)

    assert not asked
