"""A server that owes much begins again, and all end together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fivefold.compare.measure.cores import choose
from fivefold.compare.measure.fleet import Fleet
from fivefold.compare.measure.servers import Running, Up
from fivefold.compare.plan.contenders import pair
from fivefold.load.job import Ask, request
from fivefold.server.settings import Settings
from support import TESTS
from support.process_tree import descendants_of, wait_until_gone

NAME = "async+epoll"
ASK = Ask(request("/", host="localhost"), None)


@pytest.fixture
def ready() -> list[int | None]:
    """The process ids of those that were asked before their load."""
    return []


@pytest.fixture
def fleet(ready: list[int | None]) -> Iterator[Fleet]:
    def asked(running: Up) -> None:
        ready.append(running.pid)

    with Fleet(choose(), asked) as fleet:
        settings = Settings(target="applications.asgi.blocks:app", chdir=TESTS)
        fleet.launch(pair(settings, "async", "epoll", 1))
        fleet.wait_for(NAME)
        yield fleet


def test_a_server_that_owes_much_begins_again(fleet: Fleet, ready: list[int | None]) -> None:
    before = fleet.awake(NAME, [ASK]).pid
    assert before is not None
    assert fleet.awake(NAME, [ASK]).pid == before
    gone = [before, *descendants_of(before)]
    fleet.owes(NAME, 60.0)
    after = fleet.awake(NAME, [ASK]).pid
    assert ready == [before, after]
    assert after != before
    for pid in gone:
        wait_until_gone(pid)
    assert fleet.awake(NAME, [ASK]).pid == after


def test_all_are_asked_to_end_before_one_is_waited_for(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may need its grace, and a comparison has fifteen."""
    seen = []

    def spied(name: str) -> None:
        act = getattr(Running, name)

        def noted(self: Running) -> None:
            seen.append(name)
            act(self)

        monkeypatch.setattr(Running, name, noted)

    spied("ask_to_end")
    spied("end")
    with Fleet(choose(), lambda _: None) as fleet:
        for io in ("epoll", "poll"):
            fleet.launch(pair(Settings(target=str(site)), "async", io, 1))
    assert seen[:2] == ["ask_to_end", "ask_to_end"]
    assert seen.count("end") == 2
