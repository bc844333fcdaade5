"""The lanes in a terminal: a bar for each, its sentences below, at 80 columns or more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..model import Trace
from .labels import duration
from .lanes import INKS, LAYERS, Drawn, LaneAxis, axis_of, drawn, ink_of, sentences, whose
from .paper import NARROWEST, Paper, printable

CELLS = {
    "wait-network": "░.",
    "wait-disk": "▒d",
    "wait-other": "·_",
    "wait-processor": "+r",
    "rest": "  ",
    "tick": "╎!",
    "copy": "█#",
    "work": "─-",
}
"""With block characters, and without."""

COLOURS = {
    "wait-network": "client",
    "wait-disk": "disk",
    "wait-other": "faint",
    "wait-processor": "other",
    "rest": "faint",
    "tick": "client",
    "copy": "interface",
    "work": "server",
}

TITLE, NAME = 24, 10
MARK = "v"


def lanes(
    traces: Sequence[Trace], *, colour: bool, width: int = 80, encoding: str = "utf-8"
) -> str:
    """Wait and copy of each thread, or of one under each I/O model, on one axis."""
    paper = Paper(max(width, NARROWEST), colour, encoding)
    return paper.printed(_lanes(drawn(traces), paper))


def _lanes(all_drawn: list[Drawn], paper: Paper) -> Iterator[str]:
    if not all_drawn:
        return
    axis = axis_of(all_drawn)
    yield paper.paint("wait, then copy: one axis for all", "strong")
    yield from paper.wrapped(_legend(paper))
    ends = duration(axis.start_us), duration(axis.end_us)
    room = paper.width - TITLE - 1
    yield paper.paint(" " * (TITLE + 1) + ends[0] + ends[1].rjust(room - len(ends[0])), "faint")
    for one in all_drawn:
        yield from _lane(one, axis, room, paper)


def _legend(paper: Paper) -> str:
    inks = [(ink, words) for ink, words in INKS.items() if _cell(ink, paper) != " "]
    return ", ".join(f"{_cell(ink, paper)} {words}" for ink, words in inks)


def _cell(ink: str, paper: Paper) -> str:
    return CELLS[ink][0 if paper.blocks() else 1]


def _lane(one: Drawn, axis: LaneAxis, room: int, paper: Paper) -> Iterator[str]:
    title = printable(one.title)
    if len(title) > TITLE:
        yield title
        title = ""
    if one.lane.marks:
        yield " " * (TITLE + 1) + _marks(one, axis, room)
    yield f"{title:<{TITLE}} {_bar(one, axis, room, paper)}"
    indent = " " * 4
    if numbers := whose(one.lane):
        yield from paper.wrapped(numbers, first=indent)
    for name, words in sentences(one.lane):
        first = f"{indent}{name:<{NAME}} " if name else indent
        yield from paper.wrapped(words, first=first)


def _bar(one: Drawn, axis: LaneAxis, room: int, paper: Paper) -> str:
    cells: list[str | None] = [None] * room
    for ink in LAYERS:
        for segment in one.lane.segments:
            if ink_of(segment) == ink:
                first = min(int(axis.at(segment.start_us) * room), room - 1)
                last = round(axis.at(segment.start_us + segment.duration_us) * room)
                for at in range(first, max(last, first + 1)):
                    cells[at] = ink
                for tick_us in segment.ticks_us:
                    cells[min(int(axis.at(tick_us) * room), room - 1)] = "tick"
    return "".join(
        " " if ink is None else paper.paint(_cell(ink, paper), COLOURS[ink]) for ink in cells
    )


def _marks(one: Drawn, axis: LaneAxis, room: int) -> str:
    cells = [" "] * room
    for mark in one.lane.marks:
        cells[min(int(axis.at(mark.at_us) * room), room - 1)] = MARK
    return "".join(cells)
