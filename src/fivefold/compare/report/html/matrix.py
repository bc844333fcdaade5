"""The matrix of serving and I/O models as a heat map: which figure, and how hot.

Heat is a step from 0 (the best of the setting) to 4 (the worst), on a logarithmic scale,
because figures lie decades apart; the figure itself always stands in the cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from ...figures import FIGURES, Figure
from ..terminal_table import shown, value

HOTTEST = 4
FIRST = "cpu_us_per_request"
"""What is shown at first."""

Row = dict[str, Any]


def ours(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["serving"] is not None]


def column(row: Row) -> str:
    """The I/O model as it was asked for, and the workers."""
    return str(row["name"]).partition("+")[2]


def median(row: Row, figure: Figure) -> float | None:
    found = value(row, figure)
    return None if found is None else found["median"]


def heats(rows: Sequence[Row], figure: Figure) -> dict[str, int]:
    """By name; who has no figure has no heat."""
    known = {row["name"]: m for row in rows if (m := median(row, figure)) is not None}
    if not known:
        return {}
    floor = min((m for m in known.values() if m > 0), default=1.0) / 10
    logs = {name: math.log(max(m, floor)) for name, m in known.items()}
    low, high = min(logs.values()), max(logs.values())
    if math.isclose(low, high):
        return dict.fromkeys(logs, 0)
    best, worst = (low, high) if figure.less_is_better else (high, low)
    return {name: round(HOTTEST * (x - best) / (worst - best)) for name, x in logs.items()}


def cells(rows: Sequence[Row]) -> dict[str, dict[str, list[Any]]]:
    """For the page's script: by figure and name, the text and the heat."""
    mine = ours(rows)
    found = {}
    for figure in FIGURES:
        heat = heats(mine, figure)
        found[figure.key] = {
            row["name"]: [text(row, figure), heat.get(row["name"])] for row in mine
        }
    return found


def text(row: Row, figure: Figure) -> str:
    return shown(row, figure) if row["available"] else "not here"


def choices(settings: Sequence[str]) -> str:
    figures = "".join(
        f'<option value="{each.key}"{" selected" if each.key == FIRST else ""}>'
        f"{escape(each.title)}</option>"
        for each in FIGURES
    )
    scenarios = "".join(f"<option>{escape(each)}</option>" for each in settings)
    return (
        f'<p class="choice" id="choices" hidden><label for="figure">Figure</label>'
        f'<select id="figure">{figures}</select>'
        f'<label for="setting">Scenario</label><select id="setting">{scenarios}</select></p>'
    )


def matrix(rows: Sequence[Row], title: str) -> str:
    """As it is without a script: the first figure of one setting."""
    mine = ours(rows)
    serving = list(dict.fromkeys(row["serving"] for row in mine))
    columns = list(dict.fromkeys(map(column, mine)))
    first = cells(rows)[FIRST]
    by_place = {(row["serving"], column(row)): row["name"] for row in mine}
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in columns)
    lines = []
    for model in serving:
        tds = "".join(cell(by_place.get((model, each)), first) for each in columns)
        lines.append(f'<tr><th scope="row">{escape(model)}</th>{tds}</tr>')
    caption = f'<span id="shown">CPU us/request</span>, <span id="where">{escape(title)}</span>'
    return (
        f'<table class="matrix" id="matrix"><caption>{caption}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def cell(name: str | None, found: dict[str, list[Any]]) -> str:
    if name is None:
        return "<td></td>"
    words, heat = found[name]
    kind = f' class="heat-{heat}"' if heat is not None else ""
    return f'<td data-name="{escape(name)}"{kind}>{escape(words)}</td>'
