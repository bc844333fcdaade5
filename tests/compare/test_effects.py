"""What theory predicts of the models is what `compare` measures: as ratios, with margins.

Ratios of processor time, of system calls and of counts; never of one moment to another.  Who
counts clients, and no time, has other tests beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fivefold.compare.plan.scenarios import SCENARIOS, Offer
from fivefold.compare.session import Wishes, compared, planned
from fivefold.iomodels import resolve
from fivefold.load.job import Group
from fivefold.server.settings import Settings
from support import TESTS
from support.measured_again import measured_again


def measured(wishes: Wishes, **changed: Any) -> list[dict[str, Any]]:
    plan = replace(planned(wishes), **changed)
    rows: list[dict[str, Any]] = compared(plan, "it", lambda _: None)["rows"]
    for row in rows:
        assert row["available"], row["reason"]
        assert row["errors"]["max"] == 0, row["wrong"]
    return rows


def folder(site: Path, **wished: Any) -> Wishes:
    paths = ("/1k.bin",)
    return Wishes(Settings(target=str(site)), paths=paths, budget_s=1.0, rounds=3, **wished)


def cpu(rows: Sequence[dict[str, Any]], name: str, idle: int = 0) -> float:
    (row,) = [r for r in rows if (r["name"], r["idle_connections"]) == (name, idle)]
    return float(row["cpu_us_per_request"]["median"])


@measured_again
def test_async_with_blocking_serves_one_client(site: Path) -> None:
    alone, many = measured(folder(site, serving=("async",), io=("blocking", "epoll")))

    assert alone["clients_served_percent"]["max"] == pytest.approx(100 / 64, rel=1e-3)
    assert many["clients_served_percent"]["min"] == 100


def one_at_a_time(offer: Offer) -> tuple[Group, ...]:
    """One client asks: each request has a wait of its own, and pays for it alone."""
    idlers = Group("idle", offer.idle, offer.kept[:1], first=True, counted=False)
    return (Group("kept", 1, offer.kept), *([idlers] if offer.idle else []))


@pytest.mark.alone
@measured_again
def test_select_and_poll_grow_with_connections_and_epoll_does_not(site: Path) -> None:
    many = 800  # below select's limit of 1024 descriptors
    engines = ("select", "poll", "epoll")
    rows = measured(
        folder(site, serving=("async",), io=engines),
        scenarios=(replace(SCENARIOS["idle"], groups=one_at_a_time, grows=(0, many)),),
    )

    growth = {e: cpu(rows, f"async+{e}", many) / cpu(rows, f"async+{e}") for e in engines}
    assert growth["select"] > 1.3 * growth["epoll"]
    assert growth["poll"] > 1.3 * growth["epoll"]
    assert growth["epoll"] < 1.5


def now_and_then(offer: Offer) -> tuple[Group, ...]:
    """Who waits is idle most of the time: what it costs to wait is what is left."""
    idle = Group("idle", 200, offer.kept, first=True, counted=False)
    return (idle, Group("scheduled", 4, offer.kept, rate=50))


@pytest.mark.alone
@measured_again
def test_nonblocking_burns_the_processor_while_clients_wait(site: Path) -> None:
    rows = measured(
        folder(site, serving=("async",), io=("nonblocking", "epoll")),
        scenarios=(replace(SCENARIOS["rate"], groups=now_and_then),),
    )

    assert cpu(rows, "async+nonblocking") > 2 * cpu(rows, "async+epoll")


@measured_again
def test_a_crash_costs_one_connection_or_all_of_a_worker() -> None:
    wishes = Wishes(
        Settings(target="applications.wsgi.harmful:app", chdir=TESTS),
        serving=("process", "thread", "async"),
        io=("multiplexing",),
        scenarios=("crash",),
        special={"crash": "/crash"},
        budget_s=1.0,
        rounds=2,
    )
    lost = {row["serving"]: row["lost"] for row in measured(wishes)}

    assert lost["process"]["max"] == 0  # but the one that did it
    assert lost["thread"]["median"] >= 12
    assert lost["async"]["median"] >= 12


@pytest.mark.alone
@measured_again
def test_fresh_processes_cost_more_than_pooled(site: Path) -> None:
    wishes = folder(site, serving=("process",), io=("blocking",), scenarios=("fresh",))
    wishes = replace(wishes, budget_s=5.0, rounds=2)  # a fork may take ten milliseconds
    *_, pooled = planned(wishes).contenders  # behind the default pair
    fresh = replace(pooled, name="fresh", command=(*pooled.command, "--fresh"))
    rows = measured(wishes, contenders=(pooled, fresh))

    assert cpu(rows, "fresh") > 1.5 * cpu(rows, pooled.name)


@pytest.mark.skipif(resolve("uring")[0].available() is not None, reason="no io_uring here")
@pytest.mark.alone
@measured_again
def test_io_uring_needs_fewer_system_calls(site: Path) -> None:
    epoll, uring = measured(folder(site, serving=("async",), io=("epoll", "uring")))
    if epoll["syscalls_per_request"] is None:
        pytest.skip("no right to count system calls")

    assert uring["syscalls_per_request"]["median"] < 0.5 * epoll["syscalls_per_request"]["median"]
