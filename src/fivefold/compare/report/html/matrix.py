"""The matrix of serving and I/O models as a heat map: which figure, and how hot.

Heat is a step from 0 (the best of the setting) to 4 (the worst), on a logarithmic scale,
because figures lie decades apart; the figure itself always stands in the cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...figures import FIGURES, Figure, Row
from ..terminal_table import shown, value

HOTTEST = 4
FIRST = "cpu_us_per_request"
"""What is shown at first."""


def ours(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["serving"] is not None]


def column(row: Row) -> str:
    """The I/O model as it was asked for, and the workers."""
    return str(row["name"]).partition("+")[2]


def median(row: Row, figure: Figure) -> float | None:
    found = value(row, figure)
    return None if found is None else found["median"]


def heats(rows: Sequence[Row], figure: Figure) -> dict[str, int]:
    """By name; a row without a figure has no heat."""
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


@dataclass(frozen=True)
class Shade:
    """What the matrix shows of one pair."""

    name: str
    text: str
    heat: int | None


def text(row: Row, figure: Figure) -> str:
    return shown(row, figure) if row["available"] else "not here"


@dataclass(frozen=True)
class Matrix:
    """As it is without a script: the first figure of one setting."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Shade | None, ...]], ...]
    """By serving model, a cell for each column; None where nothing was measured."""


def matrix(rows: Sequence[Row], title: str) -> Matrix | None:
    mine = ours(rows)
    if not mine:
        return None
    columns = tuple(dict.fromkeys(map(column, mine)))
    first = cells(rows)[FIRST]
    by_place = {
        (row["serving"], column(row)): Shade(row["name"], *first[row["name"]]) for row in mine
    }
    lines = tuple(
        (model, tuple(by_place.get((model, each)) for each in columns))
        for model in dict.fromkeys(row["serving"] for row in mine)
    )
    return Matrix(title, columns, lines)
