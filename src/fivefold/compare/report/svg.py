"""Charts as SVG text: axes, lines and points. Colours are the page's, by class.

Each series has a number, written where it ends, and the same number in the legend: that
tells fifteen series apart on paper, and without seeing colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

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


def chart(label: str, x: Axis, y: Axis, series: Sequence[Series]) -> str:
    """The whole picture; `label` says what it shows to who cannot see it."""
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">',
        *axis_x(x),
        *axis_y(y),
        *(drawn(each, x.at, y.at) for each in series),
        "</svg>",
    ]
    return "\n".join(parts)


def axis_x(axis: Axis) -> list[str]:
    base = HEIGHT - BOTTOM
    marks = [
        f'<path class="grid" d="M{axis.at(value)} {TOP}V{base}"/>'
        f'<text class="tick middle" x="{axis.at(value)}" y="{base + 18}">{text}</text>'
        for value, text in axis.ticks
    ]
    middle = (axis.start + axis.end) / 2
    title = f'<text class="axis" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">'
    return [*marks, f"{title}{escape(axis.title)}</text>"]


def axis_y(axis: Axis) -> list[str]:
    marks = [
        f'<path class="grid" d="M{LEFT} {axis.at(value)}H{WIDTH - RIGHT}"/>'
        f'<text class="tick end" x="{LEFT - 8}" y="{axis.at(value) + 4}">{text}</text>'
        for value, text in axis.ticks
    ]
    middle = (axis.start + axis.end) / 2
    turn = f'transform="rotate(-90 16 {middle})" text-anchor="middle"'
    return [*marks, f'<text class="axis" x="16" y="{middle}" {turn}>{escape(axis.title)}</text>']


def drawn(series: Series, x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """A line with its number at the end; a single point as a dot with its spread."""
    path = "L".join(f"{x(a)} {y(b)}" for a, b in series.points)
    ends = series.extent
    bars = [
        f'<path class="extent" d="M{x(a)} {y(b)}L{x(c)} {y(d)}"/>'
        for (a, b), (c, d) in zip(ends[::2], ends[1::2], strict=True)
    ]
    last_x, last_y = x(series.points[-1][0]), y(series.points[-1][1])
    shape = f'<path class="line" d="M{path}"/>' if len(series.points) > 1 else ""
    return (
        f'<g class="series {escape(series.kind)}"><title>{series.number}: {escape(series.name)}'
        f'</title>{shape}{"".join(bars)}<circle cx="{last_x}" cy="{last_y}" r="3.5"/>'
        f'<text class="number" x="{last_x + 6}" y="{last_y + 4}">{series.number}</text></g>'
    )
