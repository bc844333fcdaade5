"""One task, one request: what an application keeps by its task is never another request's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import asgi_tasks
import pytest
from every_pair import pairs
from hosting import MODELS, Site, hosting

Pair = dict[str, Any]


@pytest.fixture(scope="module", params=MODELS)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with hosting(asgi_tasks.app, **MODELS[request.param]) as site:
        yield site


def nothing_is_seen(site: Site, way: str, moment: str) -> None:
    for _ in range(3):
        with site.wire() as wire:
            for _ in range(3):
                assert wire.ask_json(f"/?{way}&{moment}") is None


@pytest.mark.parametrize("moment", ["first", "later"])
@pytest.mark.parametrize("way", [way for way in asgi_tasks.WAYS if way != "called_back"])
def test_nothing_that_is_kept_by_the_task_is_seen_by_another_request(
    site: Site, way: str, moment: str
) -> None:
    nothing_is_seen(site, way, moment)


@pairs()
def test_nothing_is_seen_in_any_pair(pair: Pair) -> None:
    with hosting(asgi_tasks.app, **pair) as site:
        for way in ("strongly", "by_attribute", "by_its_name", "in_context"):
            for moment in ("first", "later"):
                nothing_is_seen(site, way, moment)


@pytest.mark.parametrize("moment", ["first", "later"])
def test_the_task_of_a_call_ends_with_it(site: Site, moment: str) -> None:
    site.notes.forget()
    for _ in range(3):
        with site.wire() as wire:
            wire.ask(f"/?called_back&{moment}")
        assert site.notes.next() == "done True"
