"""The chapter's three claims, held against this machine and this application.

Processes are stable and dear, threads are neither, and one thread with an event loop is the
fastest: so the chapter says.  Each line of the table is one figure for each serving model, with
the order that is claimed; it is confirmed where every step of that order was shown here, refuted
where one was shown the other way round, and else not confirmed here.

A step of figures that have rounds is shown by `significance`; of counts, by being less; of what
was measured once, by a quarter.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..figures import Row
from ..measure.harm_and_starts import Probe
from ..significance import ratios
from .columns import three

ONCE = 1.25
"""What was measured once differs by a quarter, or nothing was shown."""
CONFIRMED, OPEN, REFUTED = "confirmed", "not confirmed here", "refuted here"

STABILITY = "stability"

EXPLAINED = (
    "Of the other clients of one worker. A crash: a process is killed, as the kernel does when a"
    " leak has taken all memory; a hang: it is stopped, as by C code that keeps the interpreter."
)

Order = tuple[tuple[str, str], ...]
"""Pairs of serving models: the first has less than the second."""

ISOLATES: Order = (("process", "thread"), ("process", "async"))
GROWS: Order = (("async", "thread"), ("thread", "process"))
QUICKENS: Order = (("process", "thread"), ("thread", "async"))


@dataclass(frozen=True)
class Claim:
    """One line: `figures` by serving model, as they are shown."""

    claim: str
    figure: str
    figures: dict[str, str]
    verdict: str


Values = Mapping[str, Any]
Step = Callable[[Any, Any], int]
"""-1 if the first was shown to be less than the second, 1 if more, else 0."""


def by_count(one: float, other: float) -> int:
    return (one > other) - (one < other)


def by_size(one: float, other: float) -> int:
    return (one > other * ONCE) - (one * ONCE < other)


def by_rounds(one: Sequence[float | None], other: Sequence[float | None]) -> int:
    ratio = ratios({"one": one}, other).get("one")
    return 0 if ratio is None else 1 if ratio > 1 else -1


def verdict(values: Values, order: Order, step: Step) -> str:
    """Of the steps whose two ends were measured."""
    known = [(a, b) for a, b in order if values.get(a) is not None and values.get(b) is not None]
    steps = [step(values[a], values[b]) for a, b in known]
    if 1 in steps:
        return REFUTED
    return CONFIRMED if steps and all(each == -1 for each in steps) else OPEN


def median(rounds: Sequence[float | None]) -> float:
    return statistics.median(each for each in rounds if each is not None)


def claims(probes: Sequence[Probe], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Lines of the table; those of which nothing was measured are left out."""
    by_model = {each.serving: each for each in probes}
    counts = [
        counted(STABILITY, "a crash takes", by_model, "killed"),
        counted(STABILITY, "a hang stops", by_model, "stopped"),
    ]
    kib = {name: each.kib_per_connection for name, each in by_model.items()}
    start = {name: each.start_ms or None for name, each in by_model.items()}
    switches, rates = (
        {row["serving"]: row[key] and row[key]["rounds"] for row in rows}
        for key in ("context_switches_per_request", "requests_per_s")
    )
    lines = [
        *counts,
        line(("cost", "KiB of memory a connection"), kib, GROWS, by_size, three),
        line(("cost", "ms to a new one's answer"), start, GROWS, by_rounds, shown_median),
        line(("cost", "context switches a request"), switches, GROWS[:1], by_rounds, shown_median),
        line(("speed", "requests a second"), rates, QUICKENS, by_rounds, shown_median),
    ]
    return [asdict(each) for each in lines if len(each.figures) > 1]


def shown_median(rounds: Sequence[float | None]) -> str:
    return three(median(rounds))


def counted(claim: str, figure: str, probes: Mapping[str, Probe], name: str) -> Claim:
    values = {model: getattr(each, name) for model, each in probes.items()}
    others = max((each.others for each in probes.values()), default=0)
    return line((claim, f"{figure}, of {others}"), values, ISOLATES, by_count, str)


def line(
    named: tuple[str, str], values: Values, order: Order, step: Step, show: Callable[[Any], str]
) -> Claim:
    known = {name: value for name, value in values.items() if value is not None}
    figures = {name: show(value) for name, value in known.items()}
    return Claim(*named, figures, verdict(known, order, step))
