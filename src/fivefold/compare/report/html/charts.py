"""The report's charts, from the rows of one setting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from ..svg import Axis, Series, chart, horizontal, vertical

Row = dict[str, Any]

NEVER = 5e-6
"""Where the maximum is drawn: as if one request in 200,000 were slower."""
OTHER = "other"
"""The class of servers that are not ours."""


def kind(row: Row) -> str:
    return row["serving"] or OTHER


def numbered(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    """Rows that were measured; the numbers are those of the legend."""
    return [(n, row) for n, row in enumerate(rows, 1) if row["available"]]


def legend(rows: Sequence[Row]) -> str:
    items = "".join(
        f'<li value="{n}" class="{escape(kind(row))}">{escape(row["name"])}</li>'
        for n, row in numbered(rows)
    )
    return f'<ol class="legend">{items}</ol>'


def figure(title: str, text: str, drawing: str) -> str:
    return (
        f"<figure><figcaption><strong>{escape(title)}</strong> {escape(text)}</figcaption>"
        f'<div class="scroll">{drawing}</div></figure>'
    )


def nines(share: float) -> float:
    """0.9 is 1, 0.99 is 2: an axis on which the slow ones can be seen."""
    return -math.log10(max(1 - share, NEVER))


NINES = tuple((nines(s), text) for s, text in (
    (0.0, "0"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"),
    (0.9999, "99.99 %"), (1.0, "max"),
))  # fmt: skip


def latencies(rows: Sequence[Row]) -> str:
    """How long how many waited."""
    lines = [
        Series(n, row["name"], kind(row), tuple((nines(s), ms) for s, ms in row["distribution"]))
        for n, row in numbered(rows)
        if row["distribution"]
    ]
    values = [ms for line in lines for _, ms in line.points]
    if not values:
        return ""
    y = vertical("milliseconds", values, log=True)
    blank = horizontal("", [1])
    x = Axis("share of the requests", 0, nines(1), blank.start, blank.end, ticks=NINES)
    label = "Latency distributions; the same figures are in the table"
    return figure("Latency:", "how many answers took at most how long.", chart(label, x, y, lines))


def cost(rows: Sequence[Row]) -> str:
    """What a request costs against how many there are in a second, with the spread of both."""
    shown = [(n, row) for n, row in numbered(rows) if row["cpu_us_per_request"]]
    points = [point(n, row) for n, row in shown]
    if not points:
        return ""
    ends = [end for each in points for end in (*each.extent, *each.points)]
    x = horizontal("requests a second", [a for a, _ in ends])
    y = vertical("processor time, us a request", [b for _, b in ends], log=True)
    label = "Processor time a request against requests a second; the same figures are in the table"
    text = "cheap is below, fast is right; bars reach from the lowest round to the highest."
    return figure("Cost against throughput:", text, chart(label, x, y, points))


def point(number: int, row: Row) -> Series:
    rate, cpu = row["requests_per_s"], row["cpu_us_per_request"]
    across = ((rate["min"], cpu["median"]), (rate["max"], cpu["median"]))
    down = ((rate["median"], cpu["min"]), (rate["median"], cpu["max"]))
    middle = ((rate["median"], cpu["median"]),)
    return Series(number, row["name"], kind(row), middle, across + down)


def growth(rows: Sequence[Row]) -> str:
    """All rows of a scenario whose idle connections grow."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    lines = [line for n, name in enumerate(names, 1) if (line := grown(n, name, rows)) is not None]
    if not lines:
        return ""
    x = horizontal("idle connections", [a for line in lines for a, _ in line.points])
    y = vertical(
        "processor time, us a request", [b for line in lines for _, b in line.points], log=True
    )
    label = "Processor time a request over idle connections; the figures are in the tables"
    return figure("Growth:", "the price of who only waits.", chart(label, x, y, lines))


def grown(number: int, name: str, rows: Sequence[Row]) -> Series | None:
    mine = [row for row in rows if row["name"] == name and row["available"]]
    points = tuple(
        (row["idle_connections"], row["cpu_us_per_request"]["median"])
        for row in mine
        if row["cpu_us_per_request"]
    )
    return Series(number, name, kind(mine[0]), points) if len(points) > 1 else None
