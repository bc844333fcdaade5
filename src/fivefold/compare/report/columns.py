"""Figures as text: three significant digits, in columns that a terminal of 80 has room for."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

WIDTH = 80
GAP = "  "


def three(value: float) -> str:
    """Three significant digits and no exponent: more is not known of any of these figures."""
    if not value:
        return "0"
    rounded = float(f"{value:.3g}")
    return f"{rounded:.{min(max(2 - math.floor(math.log10(abs(rounded))), 0), 4)}f}"


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """The first column is text, the others are figures."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        GAP.join(
            [cells[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        ).rstrip()
        for cells in lines
    ]


def fits(lines: Sequence[str]) -> bool:
    return max(map(len, lines), default=0) <= WIDTH


def stacked(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table that is too wide, as a block for each line: its name, then its figures."""
    heading, *rest = lines
    for cells in rest:
        yield cells[0]
        for title, cell in zip(heading[1:], cells[1:], strict=True):
            yield from wrapped(f"{title}: {cell}", "    ")


def table(lines: Sequence[Sequence[str]]) -> list[str]:
    """Columns if they fit, else blocks."""
    columns = aligned(lines)
    return columns if fits(columns) else list(stacked(lines))


def wrapped(text: str, indent: str = "", first: str | None = None) -> list[str]:
    """Sentences for the terminal; a word that is longer than a line stays whole."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
