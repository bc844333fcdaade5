"""The report: one page that needs nothing else, drawn from the document alone.

The templates in this folder hold the markup; here stands what they are given.
"""

from __future__ import annotations

from typing import Any

from ....pages import rendered
from ...figures import FIGURES, Row
from .. import columns, terminal_table
from . import charts
from .matrix import FIRST, cells, matrix


def as_html(document: dict[str, Any]) -> str:
    """The page."""
    settings = terminal_table.by_setting(document["rows"])
    title, first = next(iter(settings.items()))
    return rendered(
        __package__,
        "compare",
        document=document,
        settings=settings,
        matrix=matrix(first, title),
        first_figure=FIRST,
        growing=growing(document["rows"]),
        cells={name: cells(rows) for name, rows in settings.items()},
        figures=FIGURES,
        charts=charts,
        columns=columns,
        terminal_table=terminal_table,
    )


def growing(rows: list[Row]) -> dict[str, tuple[charts.Drawing, list[Row]]]:
    """By scenario whose idle connections grow: the drawing, and a row of each line."""
    found = {}
    for scenario in dict.fromkeys(row["scenario"] for row in rows):
        mine = [row for row in rows if row["scenario"] == scenario]
        if drawing := charts.growth(mine):
            names = {row["name"]: row for row in reversed(mine)}
            in_order = [names[name] for name in dict.fromkeys(row["name"] for row in mine)]
            found[scenario] = (drawing, in_order)
    return found
