"""One task, one request: what an application keeps by its task is never another request's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from applications.asgi import tasks as asgi_tasks
from fivefold.content.asgi.tasks import LentTasks
from support.every_pair import pairs
from support.servers.embedded import MODELS, Site, hosting

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


def test_calls_of_one_moment_wait_for_the_same_future() -> None:
    """All before any task took its first step, which is when asyncio would refuse the second."""
    outcomes: list[BaseException | None] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        future = loop.create_future()

        async def call() -> None:
            await future

        class Counting:
            def ended(self, error: BaseException | None) -> None:
                outcomes.append(error)
                if len(outcomes) == 4:
                    over.set_result(None)

        def begin() -> None:  # where no task is current
            lent_tasks, caller = LentTasks(loop), Counting()
            for _ in range(3):
                try:
                    assert not lent_tasks.begin(call(), caller)
                except RuntimeError as error:
                    caller.ended(error)
            # Whoever is no call of ours may wait for it as well.
            loop.create_task(call()).add_done_callback(lambda task: caller.ended(task.exception()))
            loop.call_later(0.01, future.set_result, None)

        loop.call_soon(begin)
        await over

    asyncio.run(main())
    assert outcomes == [None] * 4


@pairs(overlapping=True)
def test_requests_wait_for_what_others_wait_for(pair: Pair) -> None:
    needed = 1 if pair["serving"] == "process" else 8  # else a request has a process of its own
    with hosting(asgi_tasks.app, **pair) as site, ExitStack() as stack:
        wires = [stack.enter_context(site.wire()) for _ in range(8)]
        for _ in range(3):
            for wire in wires:
                wire.put(f"/shared?{needed}")
            assert [wire.answer().body for wire in wires] == [b"null"] * len(wires)
