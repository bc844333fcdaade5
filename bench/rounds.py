"""A family is measured by `fivefold compare`: its rows are the contenders of one scenario.

So they take turns, A B C, A B C, ..., and the figures are compare's: processor time is that of
a server's whole process tree, for each right answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import files
from rows import Family, Row
from servers import contender, server

from fivefold.compare import figures
from fivefold.compare.measure.cores import Cores
from fivefold.compare.measure.rounds import Rounds
from fivefold.compare.measure.servers import Up
from fivefold.compare.plan import schedule
from fivefold.compare.plan.scenarios import Offer, Scenario
from fivefold.load.job import Group, Job
from load import Meeting, load_of

# wrk never pauses, so either the server or wrk itself is busy all the time.  Where both
# were idle for more than this, somebody else had the cores, and the caches.
IDLE_SHARE = 0.2


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    rounds: int
    seconds: int
    connections: int
    cores: Cores
    folder: Path  # the files that are served


@dataclass(frozen=True)
class Sample:
    """One run of one row."""

    cpu_us: float  # processor time of the server's whole tree, per request
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    server_busy: float  # share of its core
    load_busy: float
    errors: int
    disturbed: bool  # other programs had the cores for a good part of the time


@dataclass
class Result:
    """All runs of one row; `problem` says why there are none, or fewer."""

    row: Row
    samples: list[Sample] = field(default_factory=list)
    problem: str | None = None


def measure(family: Family, plan: Plan, show: Callable[[str], None]) -> list[Result]:
    """One result per row, whatever happens to its server."""
    first = family.rows[0]  # they ask for the same
    comparison = schedule.Plan(
        contenders=tuple(contender(r.server, plan.folder, r.path) for r in family.rows),
        scenarios=(scenario(family, plan.connections),),
        rounds=plan.rounds,
        budget_s=0.0,
        run_s=plan.seconds,
        cores=plan.cores,
        paths=(first.path,),
        expected={first.path: files.right(plan.folder, first.path, first.answer)},
        usual="",
    )
    cells = comparison.cells()
    with load_of(family, plan.cores.load) as load:
        Turns(comparison, cells, load, show).measure()
    return [
        Result(row, [shown(each, plan.cores) for each in cell.samples], cell.problem)
        for row, cell in zip(family.rows, cells, strict=True)
    ]


class Turns(Rounds):
    """Their load knows which server it meets next."""

    def __init__(
        self,
        plan: schedule.Plan,
        cells: list[schedule.Cell],
        load: Meeting,
        show: Callable[[str], None],
    ) -> None:
        super().__init__(plan, cells, load, show)
        self._load = load

    def job(self, cell: schedule.Cell, running: Up, seconds: float) -> Job:
        self._load.meet(server(cell.contender.name))
        return super().job(cell, running, seconds)


def scenario(family: Family, connections: int) -> Scenario:
    count = (family.connections or connections) * (family.streams or 1)

    def groups(offer: Offer) -> tuple[Group, ...]:
        return (Group("kept", count, offer.kept),)

    return Scenario(family.name, family.title, groups)


def shown(sample: figures.Sample, cores: Cores) -> Sample:
    """Those figures of a run that a row has. wrk's errors: what it could not connect, read or
    write, what took too long, and answers that are no 2xx or 3xx."""
    tally, seen = sample.tally, figures.Examined()
    cpu_us, p50, p99 = (
        figures.BY_KEY[key].source(sample, seen) or 0.0
        for key in ("cpu_us_per_request", "latency_ms.p50", "latency_ms.p99")
    )
    server_busy = cpu_us * tally.requests_per_s / figures.US
    return Sample(
        cpu_us=cpu_us,
        requests_per_s=tally.requests_per_s,
        p50_ms=p50,
        p99_ms=p99,
        server_busy=server_busy,
        load_busy=tally.busy,
        errors=tally.errors.total() + tally.lost + tally.unanswered,
        disturbed=busiest(server_busy, tally.busy, cores) < 1 - IDLE_SHARE,
    )


def busiest(server: float, load: float, cores: Cores) -> float:
    """The share of the busier core, or of the only one."""
    return server + load if cores.shared else max(server, load)
