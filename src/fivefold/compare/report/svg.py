"""Charts as numbers: axes, lines and points, which `chart.html` makes an SVG of.

Each series has a number, written where it ends, and the same number in the legend: that
tells fifteen series apart on paper, and without seeing colours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 14, 50
TICKS = 5

Point = tuple[float, float]


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


def horizontal(title: str, values: Sequence[float], **how: bool) -> Axis:
    return fitted(title, values, LEFT, WIDTH - RIGHT, **how)


def vertical(title: str, values: Sequence[float], **how: bool) -> Axis:
    return fitted(title, values, HEIGHT - BOTTOM, TOP, **how)


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
class Chart:
    """A picture; `label` says what it shows to a reader who cannot see it."""

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
