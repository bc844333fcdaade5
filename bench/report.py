"""The measured rows as a table for the terminal, as Markdown and as JSON.

The table is written once, in Markdown: a terminal reads it as well as a page does.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rounds import Plan, Result
from rows import Family
from verdict import Spread, Verdict, ratio, spread

HEADINGS = (
    "row",
    "us/request",
    "(min-max)",
    "x baseline",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "server busy",
    "load busy",
)


@dataclass(frozen=True)
class Report:
    """Everything that one run of the benchmark found out."""

    machine: dict[str, str]
    plan: Plan
    families: list[tuple[Family, list[Result]]]
    verdicts: list[Verdict]


def table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell; the first is text, the others are figures."""
    widths = [max(len(line[i]) for line in (headings, *lines)) for i in range(len(headings))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    aligned = [
        [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        for line in (headings, rule, *lines)
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in aligned)


def shown(value: Spread | None) -> str:
    return "" if value is None else f"{value.median:.2f}"


def line_of(result: Result, baseline: Result | None) -> list[str]:
    samples = result.samples
    if not samples:
        return [result.row.name, *([""] * (len(HEADINGS) - 1))]
    cpu = spread([s.cpu_us for s in samples])
    medians = {
        f.name: spread([getattr(s, f.name) for s in samples]).median
        for f in dataclasses.fields(samples[0])
    }
    return [
        result.row.name,
        f"{cpu.median:.2f}",
        f"{cpu.low:.2f}-{cpu.high:.2f}",
        shown(ratio(result, baseline) if baseline else None),
        f"{medians['requests_per_s']:.0f}",
        f"{medians['p50_ms']:.2f}",
        f"{medians['p99_ms']:.2f}",
        f"{medians['server_busy']:.0%}",
        f"{medians['load_busy']:.0%}",
    ]


def problems(results: list[Result]) -> list[str]:
    """What a reader must know before trusting a line."""
    found = [f"- {r.row.name}: {r.problem}" for r in results if r.problem]
    for each in results:
        errors = sum(s.errors for s in each.samples)
        if errors:
            found.append(f"- {each.row.name}: {errors} errors seen by the load")
        disturbed = sum(s.disturbed for s in each.samples)
        if disturbed:
            count = f"{disturbed} of {len(each.samples)} rounds"
            found.append(f"- {each.row.name}: other programs had the cores in {count}")
    return found


def family_text(family: Family, results: list[Result], clients: str) -> str:
    baseline = next((r for r in results if r.row.name == family.baseline), None)
    parts = [
        f"## {family.title}, {clients} (baseline: {family.baseline})",
        table(HEADINGS, [line_of(r, baseline) for r in results]),
    ]
    notes = problems(results)
    return "\n\n".join(parts + (["\n".join(notes)] if notes else []))


def verdict_line(verdict: Verdict) -> list[str]:
    target, measured = verdict.target, verdict.ratio
    word = {True: "reached", False: "MISSED", None: ""}[verdict.reached]
    extent = f"{measured.low:.2f}-{measured.high:.2f}" if measured else ""
    what = ">= {:.2f} x requests/s of {}" if target.throughput else "<= {:.2f} x {}"
    goal = what.format(target.limit, target.other)
    return [target.row, goal, shown(measured), extent, f"{word} {verdict.note}".strip()]


def verdicts_text(verdicts: list[Verdict]) -> str:
    headings = ("processor time per request", "target", "measured", "(min-max)", "")
    return "## Targets\n\n" + table(headings, [verdict_line(v) for v in verdicts])


def markdown(report: Report) -> str:
    """The whole report as a page; the terminal gets the same text."""
    plan = report.plan
    about = "\n".join(f"- {name}: {value}" for name, value in report.machine.items())
    how = (
        f"Medians of {plan.rounds} interleaved rounds of {plan.seconds} s."
        " Processor time is user and system time of the server's whole process tree;"
        " ratios are medians of the rounds' ratios."
    )
    tables = [
        family_text(family, results, family.clients(plan.connections))
        for family, results in report.families
    ]
    targets = [verdicts_text(report.verdicts)] if report.verdicts else []
    return "\n\n".join(["# Benchmarks", about, how, *tables, *targets]) + "\n"


def as_json(report: Report) -> str:
    """Every sample, so that another report can be made of them without measuring again."""
    plan = report.plan
    rows = [
        dataclasses.asdict(result) | {"family": family.name}
        for family, results in report.families
        for result in results
    ]
    document: dict[str, Any] = {
        "machine": report.machine,
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "connections": plan.connections,
        "rows": rows,
        "targets": [dataclasses.asdict(verdict) for verdict in report.verdicts],
    }
    return json.dumps(document, indent=2) + "\n"
