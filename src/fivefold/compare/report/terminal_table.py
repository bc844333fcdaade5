"""The result for a terminal: a table for each scenario, then what is to be known of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..figures import BY_KEY, Figure, Row
from .soundness import reasons_against

COLUMNS = (
    "requests_per_s",
    "latency_ms.p50",
    "latency_ms.p99",
    "latency_ms.max",
    "cpu_us_per_request",
    "pss_mib",
    "context_switches_per_request",
    "syscalls_per_request",
)
"""What fits into a line; the rest is in the JSON and the report."""


def value(row: Row, figure: Figure) -> dict[str, float] | None:
    place = row.get(figure.group) or {} if figure.group else row
    found: dict[str, float] | None = place.get(figure.name)
    return found


def shown(row: Row, figure: Figure) -> str:
    found = value(row, figure)
    if found is None:
        return "-"
    text = f"{found['median']:.{figure.digits}f}"
    # Where the load was the limit the server could do more, and how much is not known.
    least = row["load_is_the_limit"] and not figure.less_is_better
    return f">= {text}" if least and figure.name == "requests_per_s" else text


def line(row: Row) -> list[str]:
    cells = [shown(row, BY_KEY[key]) for key in COLUMNS]
    return [row["name"], *cells, *(f"{row[name]['max']:g}" for name in ("errors", "lost"))]


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """The first column is text, the others are figures."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            [cells[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        ).rstrip()
        for cells in lines
    ]


def by_setting(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows that may be compared with each other, under the name of what they share."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        suffix = f", {row['idle_connections']} idle" if row["idle_connections"] else ""
        found.setdefault(row["scenario"] + suffix, []).append(row)
    return found


def tables(document: dict[str, Any]) -> Iterator[str]:
    """Line by line."""
    heading = ["", *(BY_KEY[key].title for key in COLUMNS), "errors", "lost"]
    for setting, rows in by_setting(document["rows"]).items():
        yield f"{setting}: {document['scenarios'][rows[0]['scenario']]}"
        yield ""
        measured = [row for row in rows if row["available"]]
        if measured:
            yield from aligned([heading, *map(line, measured)])
            yield ""
        remarks = list(notes(rows))
        yield from remarks
        if remarks:
            yield ""


def notes(rows: Sequence[Row]) -> Iterator[str]:
    """What a reader must know before trusting a line; the same reason once for all."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if row["reason"]:
            reasons.setdefault(row["reason"], []).append(row["name"])
    for reason, names in reasons.items():
        yield f"  {reason}" if len(names) == len(rows) else f"  {', '.join(names)}: {reason}"
    for row in rows:
        if row["note"] and row["available"]:
            yield f"  {row['name']}: {row['note']}"
        for reason in reasons_against(row) if row["available"] else ():
            yield f"  {row['name']}: {reason}"
    disturbed = [f"{row['name']} {n}" for row in rows if (n := row.get("disturbed_rounds"))]
    if disturbed:
        yield f"  rounds disturbed by other programs: {', '.join(disturbed)}"
    limited = [row["name"] for row in rows if row["load_is_the_limit"]]
    if limited:
        yield f"  >=: the load generator was the limit, not the server: {', '.join(limited)}"


def text(document: dict[str, Any]) -> str:
    """The whole result."""
    lines = [line for each in document.get("warnings", ()) for line in (each, "")]
    lines += [f"{name}: {found}" for name, found in document["machine"].items()]
    rounds = f"medians of {document['rounds']} rounds of {document['seconds']:g} s, taken in turns"
    lines += [rounds, "", *tables(document)]
    if document["interrupted"]:
        lines += ["Interrupted: these are the rounds that were finished.", ""]
    for sentence in document["advice"]:
        lines.append(sentence["text"])
        if sentence["command"]:
            lines += ["", f"    {sentence['command']}", ""]
    return "\n".join(lines)
