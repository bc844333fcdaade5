"""Charts as numbers: axes, lines and points, which `chart.html` makes an SVG of.

Each series has a number, written where it ends, and the same number in the legend: that
tells fifteen series apart on paper, and without seeing colours.  Numbers that would lie on each
other are moved apart, and a line leads from each to its series.

A chart is drawn once for each `ChartLayout`: shrunk to a phone, the letters of the wide one would
be a third as high as the text around it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

TICKS = 5
LINE, WIDEST, GAP = 13.0, 17.0, 6
"""Pixels that a number needs: its height, the width of two digits, and the way to its series."""

Point = tuple[float, float]


@dataclass(frozen=True)
class ChartLayout:
    """How large a chart is, in pixels, and what is left free around its area."""

    name: str
    """A class of the style sheet."""
    width: int
    height: int
    left: int = 70
    right: int = 30
    top: int = 14
    bottom: int = 50

    @property
    def base(self) -> int:
        return self.height - self.bottom

    @property
    def end(self) -> int:
        return self.width - self.right


LAYOUTS = (ChartLayout("wide", 720, 380), ChartLayout("narrow", 330, 320, left=58))
"""The narrow one is for pages below 44 rem."""


@dataclass(frozen=True)
class Axis:
    """From values to pixels."""

    title: str
    low: float
    high: float
    start: float
    end: float
    log: bool = False
    ticks: tuple[tuple[float, str], ...] = ()

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2

    def at(self, value: float) -> float:
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def horizontal(layout: ChartLayout, title: str, values: Sequence[float], **how: bool) -> Axis:
    return fitted(title, values, layout.left, layout.end, **how)


def vertical(layout: ChartLayout, title: str, values: Sequence[float], **how: bool) -> Axis:
    return fitted(title, values, layout.base, layout.top, **how)


def fitted(
    title: str, values: Sequence[float], start: float, end: float, *, log: bool = False
) -> Axis:
    """An axis that holds all values, with round ticks."""
    if log:
        positive = [value for value in values if value > 0] or [1.0]
        low = 10 ** math.floor(math.log10(min(positive)))
        high = 10 ** math.ceil(math.log10(max(positive)) + 1e-9)
        high = high if high > low else low * 10
        powers = range(round(math.log10(low)), round(math.log10(high)) + 1)
        return Axis(
            title, low, high, start, end, log, tuple((10.0**p, f"{10.0**p:g}") for p in powers)
        )
    step = round_step(max(values, default=1.0) or 1.0)
    count = math.ceil((max(values, default=1.0) or 1.0) / step)
    round_marks = tuple((step * n, f"{step * n:g}") for n in range(count + 1))
    return Axis(title, 0, step * count, start, end, log, round_marks)


def round_step(highest: float) -> float:
    rough = highest / TICKS
    power = float(10 ** math.floor(math.log10(rough)))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= rough)


@dataclass(frozen=True)
class Series:
    """One line, or one point; `kind` is a class of the style sheet."""

    number: int
    name: str
    kind: str
    points: tuple[Point, ...]
    extent: tuple[Point, ...] = ()
    """The ends of bars through a single point: its spread."""


@dataclass(frozen=True)
class Number:
    """Where the number of a series is written: its left end, and its middle line."""

    series: Series
    end: Point
    """Where the series ends."""
    y: float

    @property
    def x(self) -> float:
        return self.end[0] + GAP

    @property
    def is_moved(self) -> bool:
        return abs(self.y - self.end[1]) > LINE / 4


@dataclass(frozen=True)
class Chart:
    """A picture; `label` says what it shows to a reader who cannot see it."""

    layout: ChartLayout
    label: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]

    def path(self, points: Sequence[Point]) -> str:
        """Through points that are values."""
        return "M" + "L".join(f"{self.x.at(a)} {self.y.at(b)}" for a, b in points)

    def bars(self, series: Series) -> list[str]:
        ends = series.extent
        return [self.path(pair) for pair in zip(ends[::2], ends[1::2], strict=True)]

    def numbers(self) -> list[Number]:
        """One for each series, none on another: those side by side are in the order of the ends."""
        found: list[Number] = []
        for column in columns([(self.end_of(each), each) for each in self.series]):
            column.sort(key=lambda one: (one[0][1], one[1].number))
            lines = spread([end[1] for end, _ in column], self.layout.top, self.layout.base)
            found += [Number(each, end, y) for (end, each), y in zip(column, lines, strict=True)]
        return found

    def end_of(self, series: Series) -> Point:
        x, y = series.points[-1]
        return self.x.at(x), self.y.at(y)


def columns(ends: Sequence[tuple[Point, Series]]) -> list[list[tuple[Point, Series]]]:
    """Those whose numbers would meet if they were on one line are in one column."""
    found: list[list[tuple[Point, Series]]] = []
    for end, series in sorted(ends, key=lambda one: one[0][0]):
        if found and end[0] - found[-1][-1][0][0] < WIDEST:
            found[-1].append((end, series))
        else:
            found.append([(end, series)])
    return found


def spread(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Ascending lines, `LINE` apart and as near to what is wanted as can be, within the area.

    Lines that are too near form a block around their mean; blocks that meet become one.
    """
    blocks: list[list[float]] = []
    for y in wanted:
        blocks.append([y])
        while len(blocks) > 1 and first(blocks[-2], low, high) + LINE * len(blocks[-2]) > first(
            blocks[-1], low, high
        ):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return [
        round(first(block, low, high) + LINE * n, 1) for block in blocks for n in range(len(block))
    ]


def first(block: Sequence[float], low: float, high: float) -> float:
    """The first line of a block that lies around its mean."""
    height = LINE * (len(block) - 1)
    return max(min(sum(block) / len(block) - height / 2, high - height), low)
