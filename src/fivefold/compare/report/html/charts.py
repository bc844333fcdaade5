"""The report's charts, from the rows of one setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...figures import Row
from ..svg import LAYOUTS, Axis, Chart, ChartLayout, Series, horizontal, vertical

NEVER = 5e-6
"""Where the maximum is drawn: as if one request in 200,000 were slower."""
OTHER = "other"
"""The class of servers that are not ours."""


def kind(row: Row) -> str:
    return row["serving"] or OTHER


def numbered(rows: Sequence[Row]) -> list[tuple[int, Row]]:
    """Rows that were measured; the numbers are those of the legend."""
    return [(n, row) for n, row in enumerate(rows, 1) if row["available"]]


@dataclass(frozen=True)
class Drawing:
    """A chart with its caption, once for each layout."""

    title: str
    text: str
    charts: tuple[Chart, ...]


def drawing(title: str, text: str, draw: Callable[[ChartLayout], Chart]) -> Drawing:
    return Drawing(title, text, tuple(map(draw, LAYOUTS)))


def nines(share: float) -> float:
    """0.9 is 1, 0.99 is 2: an axis on which the slow ones can be seen."""
    return -math.log10(max(1 - share, NEVER))


NINES = tuple((nines(s), text) for s, text in (
    (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"),
    (0.9999, "99.99 %"), (1.0, "max"),
))  # fmt: skip


def latencies(rows: Sequence[Row]) -> Drawing | None:
    """How long how many waited."""
    lines = [
        Series(n, row["name"], kind(row), tuple((nines(s), ms) for s, ms in row["distribution"]))
        for n, row in numbered(rows)
        if row["distribution"]
    ]
    values = [ms for line in lines for _, ms in line.points]
    if not values:
        return None
    label = "Latency distributions; the same figures are in the table"

    def draw(layout: ChartLayout) -> Chart:
        y = vertical(layout, "milliseconds", values, log=True)
        x = Axis("share of the requests", 0, nines(1), layout.left, layout.end, ticks=NINES)
        return Chart(layout, label, x, y, tuple(lines))

    text = "the share of the answers that took at most the time below it."
    return drawing("Latency:", text, draw)


def cost(rows: Sequence[Row]) -> Drawing | None:
    """What a request costs against how many there are in a second, with the spread of both."""
    shown = [(n, row) for n, row in numbered(rows) if row["cpu_us_per_request"]]
    points = [point(n, row) for n, row in shown]
    if not points:
        return None
    ends = [end for each in points for end in (*each.extent, *each.points)]
    label = "Processor time a request against requests a second; the same figures are in the table"

    def draw(layout: ChartLayout) -> Chart:
        x = horizontal(layout, "requests a second", [a for a, _ in ends])
        y = vertical(layout, "processor time, us a request", [b for _, b in ends], log=True)
        return Chart(layout, label, x, y, tuple(points))

    text = "cheap is below, fast is right; bars reach from the lowest round to the highest."
    return drawing("Cost against throughput:", text, draw)


def point(number: int, row: Row) -> Series:
    rate, cpu = row["requests_per_s"], row["cpu_us_per_request"]
    across = ((rate["min"], cpu["median"]), (rate["max"], cpu["median"]))
    down = ((rate["median"], cpu["min"]), (rate["median"], cpu["max"]))
    middle = ((rate["median"], cpu["median"]),)
    return Series(number, row["name"], kind(row), middle, across + down)


def growth(rows: Sequence[Row]) -> Drawing | None:
    """All rows of a scenario whose idle connections grow."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    lines = [line for n, name in enumerate(names, 1) if (line := grown(n, name, rows)) is not None]
    if not lines:
        return None
    points = [point for line in lines for point in line.points]
    label = "Processor time a request over idle connections; the figures are in the tables"

    def draw(layout: ChartLayout) -> Chart:
        x = horizontal(layout, "idle connections", [a for a, _ in points])
        y = vertical(layout, "processor time, us a request", [b for _, b in points], log=True)
        return Chart(layout, label, x, y, tuple(lines))

    return drawing("Growth:", "what a request costs, the more connections wait.", draw)


def grown(number: int, name: str, rows: Sequence[Row]) -> Series | None:
    mine = [row for row in rows if row["name"] == name and row["available"]]
    points = tuple(
        (row["idle_connections"], row["cpu_us_per_request"]["median"])
        for row in mine
        if row["cpu_us_per_request"]
    )
    return Series(number, name, kind(mine[0]), points) if len(points) > 1 else None
