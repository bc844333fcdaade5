"""The result as a document: what is written as JSON, and what every report is drawn from.

Its schema is in docs/compare.md; `SCHEMA` changes when a reader would have to.
"""

from __future__ import annotations

import os
import platform
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ... import __version__ as version
from ...errors import SettingsError
from ...inspection.phrases import counted
from ...isolation.foreign_documents import json_of, why_unread
from ...load.histogram import Histogram
from ...load.tally import SATURATED
from ..figures import FIGURES, Row, Spread, spread_of
from ..measure.disturbance import is_disturbed, warning
from ..measure.harm_and_starts import Probe
from ..plan.scenarios import UNHARMED
from ..plan.schedule import LONGEST_S, Cell, Plan
from ..significance import rounds_needed
from .advice import advice, command
from .claims import claims

SCHEMA = 2
CURVE = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, 1.0)
"""The points of a latency distribution that is drawn."""

Document = dict[str, Any]


def machine(plan: Plan) -> dict[str, Any]:
    """What the figures depend on, besides the servers."""
    return {
        "processor": processor(),
        "cores": str(plan.cores),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "fivefold": version,
        "load_average": round(os.getloadavg()[0], 2),
    }


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def row_of(cell: Cell) -> Row:
    contender = cell.contender
    row: Row = {
        "name": contender.name,
        "serving": contender.serving,
        "io": contender.io,
        "engine": contender.engine,
        "available": bool(cell.samples),
        "reason": cell.problem,
        "note": contender.note,
        "scenario": cell.scenario.name,
        "idle_connections": cell.idle,
        "workers": contender.workers,
        "options": list(contender.options),
        "rounds": len(cell.samples),
        "seconds": rounded(cell.seconds),
        **reach_of(cell),
        "silence": cell.silence if not any(s.tally.requests for s in cell.samples) else None,
        "alone_ms": None if (alone := cell.examined.alone_ms) is None else rounded(alone),
        UNHARMED: sum(cell.scenario.is_unharmed(sample.tally) for sample in cell.samples),
        "load_busy": figure([sample.tally.busy for sample in cell.samples]),
    }
    for each in FIGURES:
        place = row.setdefault(each.group, {}) if each.group else row
        found = spread_of(each, cell.samples, cell.examined)
        place[each.name] = as_json(found)
    row["errors"] = figure([sample.tally.errors.total() for sample in cell.samples])
    row["lost"] = figure([sample.tally.lost for sample in cell.samples])
    row["wrong"] = dict(sum((sample.tally.errors for sample in cell.samples), Counter()))
    row["disturbed_rounds"] = sum(map(is_disturbed, cell.samples))
    row["load_is_the_limit"] = any(sample.tally.busy >= SATURATED for sample in cell.samples)
    row["distribution"] = distribution(cell)
    return row


def reach_of(cell: Cell) -> Row:
    """Whom the longest round did not reach, and whether that is the server's doing."""
    reach = cell.examined.reach
    by_server = reach.is_left_out(LONGEST_S)
    return {
        "clients_left": reach.left if by_server else 0,
        "clients_queued": 0 if by_server else reach.left,
        "longest_round_s": rounded(reach.seconds),
    }


def warnings(cells: list[Cell], too_few: str | None) -> list[str]:
    """What is said first."""
    found = warning([sample for cell in cells for sample in cell.samples])
    return [each for each in (found, too_few) if each]


def cut_short(cells: list[Cell]) -> str | None:
    """That there were fewer rounds than would show something, and what to do; None otherwise."""
    measured = [cell for cell in cells if cell.samples]
    rows = len({cell.contender.name for cell in measured})
    needed = rounds_needed(rows)
    counts = [len(cell.samples) for cell in measured if not cell.scenario.most_rounds]
    if rows < 2 or not counts or min(counts) >= needed:  # noqa: PLR2004 - a comparison
        return None
    return (
        f"Measured in {counted(min(counts), 'round', 'rounds')}. Fewer than {needed} can show no"
        f" difference between {rows} rows: give more --seconds or --rounds, or name fewer pairs"
        " with --serving and --io."
    )


def figure(values: list[Any]) -> dict[str, Any] | None:
    return as_json(Spread.of(values))


def as_json(spread: Spread | None) -> dict[str, Any] | None:
    if spread is None:
        return None
    found: dict[str, Any] = {n: rounded(getattr(spread, n)) for n in ("median", "min", "max")}
    return found | {"rounds": [each if each is None else rounded(each) for each in spread.rounds]}


def rounded(value: float) -> float:
    """Five digits are more than any of these figures is worth."""
    return float(f"{value:.5g}")


def distribution(cell: Cell) -> list[list[float]]:
    """[share, milliseconds], all rounds together."""
    whole = Histogram()
    for sample in cell.samples:
        whole.add(sample.tally.latencies)
    if not whole.total:
        return []
    return [[share, rounded(whole.percentile(share) / 1e6)] for share in CURVE]


def document(
    plan: Plan,
    cells: list[Cell],
    target: str,
    probes: Sequence[Probe] = (),
    *,
    interrupted: bool = False,
) -> Document:
    """Everything that one comparison found out."""
    rows = [row_of(cell) for cell in cells]
    return {
        "schema": SCHEMA,
        "machine": machine(plan),
        "target": target,
        "interface": plan.interface,
        "load": plan.load,
        "paths": list(plan.paths),
        "rounds": max(row["rounds"] for row in rows),
        "seconds": rounded(plan.seconds),
        "interrupted": interrupted,
        "warnings": warnings(cells, None if interrupted else cut_short(cells)),
        "scenarios": {each.name: each.why for each in plan.scenarios},
        "commands": {
            each.name: command(each.options, target) if each.options else shlex.join(each.command)
            for each in plan.contenders
            if each.command
        },
        "rows": rows,
        "advice": advice(rows, target, plan.usual, plan.interface),
        "claims": claims(probes, of_each_model(plan, rows)),
    }


def of_each_model(plan: Plan, rows: Sequence[Row]) -> list[Row]:
    """The rows by which the models are held against each other: of a scenario without harm."""
    names = {each.name for each in plan.of_each_model()}
    scenario = next((each.name for each in plan.scenarios if not each.alone), None)
    return [
        row
        for row in rows
        if row["name"] in names
        and row["scenario"] == scenario
        and row["available"]
        and not row["idle_connections"]
    ]


def read(path: str) -> Document:
    """A document that was written before. Raises `SettingsError`."""
    try:
        found = json_of(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"report: cannot read {path}: {why_unread(error)}") from None
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise SettingsError(
            f"report: {path} is not a result of `fivefold compare --json` of schema {SCHEMA}"
        )
    return found
