"""Measuring a family: all its servers up, then A B C, A B C, ... so that drift hits all alike.

A shared machine changes speed from second to second.  Servers measured one after the
other would compare two moments; servers that take turns compare two programs.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import files
from cores import Cores
from launch import DidNotStart, Running, started
from rows import Family, Row
from servers import server

import load
from fivefold.linux.accounting import used

WARM_UP_S = 1

# After wrk has gone the server still closes its connections: part of the work.
SETTLE_S = 0.1

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


def measure(family: Family, plan: Plan, tell: Callable[[str], None]) -> list[Result]:
    """One result per row, whatever happens to its server."""
    results = [Result(row) for row in family.rows]
    if family.connections:
        plan = replace(plan, connections=family.connections)
    with contextlib.ExitStack() as stack:
        up: list[tuple[Result, Running]] = []
        for result in results:
            with noting(result):
                up.append((result, start(stack, result.row, plan)))
        for number in range(plan.rounds):
            tell(f"{family.name}: round {number + 1} of {plan.rounds}")
            for result, running in up:
                if result.problem is None:
                    with noting(result):
                        result.samples.append(sample(result.row, running, plan, plan.seconds))
    return results


@contextlib.contextmanager
def noting(result: Result) -> Iterator[None]:
    """A server's failure is its row's, not the other rows'."""
    try:
        yield
    except (DidNotStart, files.WrongAnswer, load.LoadFailed) as error:
        result.problem = str(error)


def start(stack: contextlib.ExitStack, row: Row, plan: Plan) -> Running:
    """Start, check that the answers are right, warm up."""
    block = started(row.server, plan.folder, row.path, plan.cores.server)
    running = stack.enter_context(block)
    if not load.is_ours(row.script):  # such a load looks at every answer
        files.check(running.port, plan.folder, row.path, row.answer, server(row.server).scheme)
    sample(row, running, plan, WARM_UP_S)
    return running


def sample(row: Row, running: Running, plan: Plan, seconds: int) -> Sample:
    """One run; its processor time is what the tree's clocks say after, less before."""
    if running.process.poll() is not None:
        raise DidNotStart(f"it ended by itself, with status {running.process.returncode}")
    asked = load.Load(
        f"{server(row.server).scheme}://127.0.0.1:{running.port}{row.path}",
        plan.connections,
        seconds,
        row.script,
    )
    before = used(running.process.pid).cpu_s
    run = load.run(asked, plan.cores.load)
    time.sleep(SETTLE_S)
    spent = used(running.process.pid).cpu_s - before
    if run.summary.requests == 0:
        raise load.LoadFailed("not one request was answered")
    server_busy = spent / run.elapsed_s
    return Sample(
        cpu_us=spent / run.summary.requests * 1e6,
        requests_per_s=run.summary.requests_per_s,
        p50_ms=run.summary.p50_s * 1e3,
        p99_ms=run.summary.p99_s * 1e3,
        server_busy=server_busy,
        load_busy=run.busy,
        errors=run.summary.errors,
        disturbed=busiest(server_busy, run.busy, plan.cores) < 1 - IDLE_SHARE,
    )


def busiest(server: float, load: float, cores: Cores) -> float:
    """The share of the busier core, or of the only one."""
    return server + load if cores.shared else max(server, load)
