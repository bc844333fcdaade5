"""The lifespan of an ASGI application: whatever it does, the server neither hangs nor is silent."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import nullcontext
from time import monotonic, sleep
from typing import Any

import pytest

from applications.asgi import lifespans
from fivefold.errors import FivefoldError, WorkerFailed
from support.every_pair import pairs
from support.servers.embedded import MODELS, Site, hosting
from support.servers.left_behind import kept


@pytest.fixture
def serving(model: str) -> dict[str, Any]:
    return MODELS[model]


@pytest.fixture(autouse=True)
def infos() -> Iterator[None]:
    """As the command line logs."""
    log = logging.getLogger("fivefold")
    log.setLevel(logging.INFO)
    yield
    log.setLevel(logging.NOTSET)


@pytest.fixture(autouse=True)
def conduct(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("TEST_START", raising=False)
    monkeypatch.delenv("TEST_STOP", raising=False)
    return monkeypatch


def everywhere(*names: str) -> pytest.MarkDecorator:
    """All of them in one serving model, the first in each: what differs is who waits."""
    cases = [
        (model, name) for name in names for model in MODELS if model == "async" or name == names[0]
    ]
    return pytest.mark.parametrize(("model", "name"), cases, ids=["-".join(case) for case in cases])


def served(site: Site) -> bool:
    with site.wire() as wire:
        return wire.ask("/").body == b"served"


# The start

OTHERS = [name for name in lifespans.ERRORS if name not in ("left", "interrupted", "left_in_group")]
ENDS = ["left", "interrupted", "left_in_group"]


@everywhere(*OTHERS, "cancels_itself")
def test_who_fails_before_the_first_message_has_no_lifespan(
    name: str, serving: dict[str, Any], conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_START", f"before {name}")
    with hosting(lifespans.app, **serving) as site:
        assert served(site)
        lines = site.log.splitlines()
        assert lines
        assert all(
            line.startswith("the application has no start-up and shutdown of its own (lifespan)")
            for line in lines
        )
        assert name == "cancels_itself" or "lifespans.py:" in site.log


@everywhere(*OTHERS, "cancels_itself")
def test_who_fails_after_it_is_served_with_a_warning(
    name: str, serving: dict[str, Any], conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_START", f"after {name}")
    with hosting(lifespans.app, **serving) as site:
        assert served(site)
        lines = site.log.splitlines()
        assert lines
        assert all(line.startswith("the application's start-up failed: ") for line in lines)
        assert "it is served without lifespan" in site.log


@pytest.mark.parametrize("when", ["before", "after"])
@everywhere(*ENDS, "another_task_leaves")
def test_who_asks_for_the_end_is_not_served(
    when: str, name: str, serving: dict[str, Any], conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_START", f"{when} {name}")
    assert "start-up failed: " in not_started(**serving)


@everywhere("failed", "cancelled", "grouped")
def test_any_error_is_one_if_a_lifespan_is_demanded(
    name: str, serving: dict[str, Any], conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_START", f"before {name}")
    assert "the application's start-up failed: " in not_started(lifespan="on", **serving)


@pytest.mark.parametrize("model", MODELS)
def test_an_early_end_is_none_unless_a_lifespan_is_demanded(
    serving: dict[str, Any], conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_START", "returns")
    with hosting(lifespans.app, **serving) as site:
        assert served(site)
    assert "without an answer" in not_started(lifespan="on", **serving)


@pytest.mark.parametrize("model", MODELS)
def test_who_is_not_to_be_asked_is_not(
    serving: dict[str, Any], conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_START", "before left")
    with hosting(lifespans.app, lifespan="off", **serving) as site:
        assert served(site)
        assert not site.recorded("asked")
        assert not site.log


@pytest.mark.parametrize("model", MODELS)
def test_a_loop_that_is_stopped_goes_on(
    serving: dict[str, Any], conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_START", "after stops_the_loop")
    with hosting(lifespans.app, **serving) as site:
        assert served(site)
        assert site.recorded("started")


def not_started(**settings: Any) -> str:
    """What is said of a server that cannot start; it never says that it listens."""
    with pytest.raises(FivefoldError) as raised, hosting(lifespans.app, **settings):
        pytest.fail("it says that it serves")
    return str(raised.value)


# While it is served

BROKEN = "the application's lifespan failed while it was served"


@pytest.mark.parametrize("name", [*lifespans.ERRORS, "cancels_itself"])
def test_a_lifespan_that_breaks_is_said_and_harms_nobody(
    name: str, conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_START", f"serving {name}")
    with hosting(lifespans.app, **MODELS["async"]) as site:
        broken(site)
        assert served(site)
        assert site.log.count(BROKEN) == 1


@pairs()
def test_a_lifespan_that_breaks_harms_nobody_in_any_pair(
    pair: dict[str, Any], conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_START", "serving left")
    with hosting(lifespans.app, **pair) as site:
        broken(site)
        assert served(site)


def broken(site: Site) -> None:
    """Wait until its lifespan has broken, and the log says so."""
    until = monotonic() + 20
    while not (BROKEN in site.log and "Traceback" in site.log):
        assert monotonic() < until
        sleep(0.01)


# The end


@everywhere(*lifespans.ERRORS, "cancels_itself", "another_task_leaves")
def test_a_shutdown_that_fails_is_said(
    name: str, serving: dict[str, Any], conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_STOP", name)
    cut = pytest.raises(WorkerFailed) if name == "another_task_leaves" else nullcontext()
    with kept() as files:
        with cut, hosting(lifespans.app, lifespan_s=0.5, **serving, prepare=files.keep) as site:
            assert served(site)
        assert "stopping" in files.record
        if name == "another_task_leaves":
            assert "the application broke its event loop, which goes on" in files.log
            assert "the application's shutdown has not ended within 0.5 s" in files.log
        else:
            assert "the application's shutdown failed" in files.log
        assert "Traceback" in files.log


@everywhere("cancels_all_tasks", "stops_the_loop")
def test_a_shutdown_may_do_as_programs_do(
    name: str, serving: dict[str, Any], conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_STOP", name)
    with kept() as files:
        with hosting(lifespans.app, **serving, prepare=files.keep) as site:
            assert served(site)
        assert files.record.count("stopped") == files.record.count("started") > 0
        assert "cancel" not in files.log


@pairs()
def test_a_shutdown_that_takes_too_long_is_cut_and_said(
    pair: dict[str, Any], conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_STOP", "never_ends")
    with kept() as files:
        with (
            pytest.raises(WorkerFailed),
            hosting(lifespans.app, lifespan_s=0.2, **pair, prepare=files.keep) as site,
        ):
            assert served(site)
        assert "the application's shutdown has not ended within 0.2 s (--lifespan-s)" in files.log
        assert "stopping" in files.record
        assert BROKEN not in files.log, "it is cut at its end, and not while it is served"


@everywhere("refuses_to_end", "blocks")
def test_what_cannot_be_cancelled_is_left(
    name: str, serving: dict[str, Any], conduct: pytest.MonkeyPatch
) -> None:
    conduct.setenv("TEST_STOP", name)
    with kept() as files:
        with (
            pytest.raises(WorkerFailed),
            hosting(lifespans.app, lifespan_s=0.2, **serving, prepare=files.keep) as site,
        ):
            assert served(site)
        assert "was cut short" in files.log
        assert " left" in files.log, "what it has left behind is said"
