"""A trace for a terminal: a timeline that is readable at 80 columns, in colour or plain.

Whatever comes from the trace loses its control characters first: a request target is the
client's to choose, and must not be able to move the cursor of the reader's terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

from ..model import Step, Trace
from .labels import (
    FIGURES,
    FIGURES_OVERLAP,
    NETWORK_WAIT_IS,
    SummaryFigure,
    actor_of,
    amount,
    circumstances_of,
    duration,
    figure_of,
    io_of,
    listed,
    network_wait_of,
    pair_of,
    request_of,
    rights_of,
    short_name,
    sources_of,
    span_us,
)
from .paper import EIGHTHS, NARROWEST, Paper, printable

NUMBER, NAME, TIME, EVIDENCE = 2, 22, 8, 10
BEFORE_BAR = NUMBER + NAME + 2 * TIME + 3
LABEL = 22
"""Widths of the columns; what is left is the bar's."""

LONGEST_REQUEST = 400


def timeline(
    trace: Trace, *, colour: bool, width: int = 80, encoding: str = "utf-8", alone: bool = True
) -> str:
    """One trace: its request, its steps on a common time axis, its summary, and its notes, unless
    others come and `side_by_side` has those of all."""
    paper = Paper(max(width, NARROWEST), colour, encoding)
    notes = _notes(trace, paper) if alone else ()
    return paper.printed(chain(_timeline(trace, paper), notes))


def side_by_side(
    traces: Sequence[Trace], *, colour: bool, width: int = 80, encoding: str = "utf-8"
) -> str:
    """The summaries of several traces of one request, on one axis."""
    paper = Paper(max(width, NARROWEST), colour, encoding)
    return paper.printed(_side_by_side(listed(traces), paper))


def _timeline(trace: Trace, paper: Paper) -> Iterator[str]:
    yield from _header(trace, paper)
    yield ""
    span = span_us([trace])
    yield _heading(span, paper)
    above = None
    for step in trace.steps:
        yield from _step(step, above, span, paper)
        above = step.why_not
    yield ""
    yield from _summary(trace, paper)


def _header(trace: Trace, paper: Paper) -> Iterator[str]:
    for line in paper.wrapped(_cut(request_of(trace)), indent="  "):
        yield paper.paint(line, "strong")
    answer = (f"status {trace.request['status']}", amount(trace.request["bytes"]))
    total = duration(trace.summary.total_us)
    yield from paper.wrapped(f"{pair_of(trace)}, {', '.join(answer)}, {total}")
    yield from paper.wrapped(rights_of(trace))
    for line in circumstances_of(trace):
        yield from paper.wrapped(line)


def _cut(request: str) -> str:
    return request if len(request) <= LONGEST_REQUEST else f"{request[:LONGEST_REQUEST]} ..."


def _heading(span: float, paper: Paper) -> str:
    bar = _bar_width(paper)
    end = duration(span)
    axis = "0" + end.rjust(bar - 1)
    names = f"{'#':>{NUMBER}} {'step':<{NAME}}{'start':>{TIME}} {'took':>{TIME}}"
    return paper.paint(f"{names}  {axis} evidence", "faint")


def _bar_width(paper: Paper) -> int:
    return paper.width - BEFORE_BAR - EVIDENCE - 2


def _step(step: Step, above: str | None, span: float, paper: Paper) -> Iterator[str]:
    """`above`: why the step before it has no time; the same reason is not said again."""
    first = f"{step.step:>{NUMBER}} {short_name(step):<{NAME}}"
    if not step.happened:
        first += "  "
        why = step.why_not or "it is not known why"
        why = "likewise" if why == above else why
        for line in paper.wrapped(f"- {why}", first=first, indent=" " * (len(first) + 2)):
            yield paper.paint(line, "faint")
        return
    bar = paper.paint(_placed(step, span, paper), actor_of(step))
    times = f"{duration(step.start_us):>{TIME}} {duration(step.duration_us):>{TIME}}"
    sources = [printable(source) for source in sources_of(step)] or ["none"]
    for source, line in zip_longest(sources, [f"{first}{times}  {bar}"]):
        yield f"{line or ' ' * (paper.width - EVIDENCE - 1)} {source}"


def _placed(step: Step, span: float, paper: Paper) -> str:
    """A bar where the step lies on the axis; at least one character."""
    width = _bar_width(paper)
    start = min(max(0, int(step.start_us / span * width)), width - 1)
    end = min(width, max(start + 1, round((step.start_us + step.duration_us) / span * width)))
    return (" " * start + ("█" if paper.blocks() else "#") * (end - start)).ljust(width)


def _summary(trace: Trace, paper: Paper) -> Iterator[str]:
    span = span_us([trace])
    for figure in FIGURES:
        yield _figure(figure.label, figure_of(trace, figure), span, figure, paper)
    copied = amount(trace.summary.bytes_copied)
    yield f"{'bytes copied':<{LABEL}} {copied:>{TIME + 2}}"
    yield from paper.wrapped(network_wait_of(trace))
    yield from paper.wrapped(FIGURES_OVERLAP)


def _figure(label: str, value: float, span: float, figure: SummaryFigure, paper: Paper) -> str:
    room = paper.width - LABEL - TIME - 5
    bar = paper.paint(_grown(value / span * room, room, paper), figure.actor)
    return f"{label:<{LABEL}} {duration(value):>{TIME + 2}}  {bar}"


def _grown(cells: float, room: int, paper: Paper) -> str:
    """A bar from the left edge, to an eighth of a character where there are such."""
    cells = min(max(cells, 0.0), float(room))
    if not paper.blocks():
        return "#" * (max(1, round(cells)) if cells else 0)
    eighths = max(1, round(cells * 8)) if cells else 0
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8]).rstrip()


def _notes(trace: Trace, paper: Paper) -> Iterator[str]:
    if trace.notes:
        yield ""
    for note in trace.notes:
        yield from paper.wrapped(note, first="note: ")


def _side_by_side(traces: tuple[Trace, ...], paper: Paper) -> Iterator[str]:
    for line in paper.wrapped(_cut(request_of(traces[0])), indent="  "):
        yield paper.paint(line, "strong")
    span = span_us(traces)
    end = f"{duration(span)} |".rjust(paper.width - LABEL - TIME - 5)
    yield paper.paint(f"{'one axis for all':<{LABEL}} {'':>{TIME + 2}}  {end}", "faint")
    names = _names(traces)
    for figure in FIGURES:
        if not any(figure_of(trace, figure) for trace in traces):
            label = paper.paint(figure.label.ljust(LABEL), "strong")
            yield f"{label} {duration(0):>{TIME + 2}}  in all"
            continue
        yield paper.paint(figure.label, "strong")
        for name, trace in zip(names, traces, strict=True):
            yield _figure(f"  {name}", figure_of(trace, figure), span, figure, paper)
    yield paper.paint("bytes copied", "strong")
    for name, trace in zip(names, traces, strict=True):
        yield f"{f'  {name}':<{LABEL}} {amount(trace.summary.bytes_copied):>{TIME + 2}}"
    yield from paper.wrapped(NETWORK_WAIT_IS)
    yield from paper.wrapped(FIGURES_OVERLAP)
    shared = [note for note in traces[0].notes if all(note in trace.notes for trace in traces)]
    for note in shared:
        yield from paper.wrapped(note, first="note: ", indent="  ")
    for name, trace in zip(names, traces, strict=True):
        for note in trace.notes:
            if note not in shared:
                yield from paper.wrapped(note, first=f"note: {name}: ", indent="  ")


def _names(traces: tuple[Trace, ...]) -> list[str]:
    """What the traces differ in: their I/O models, else their serving models; short enough for
    the column."""
    serving = [trace.pair["serving"] for trace in traces]
    if len(set(serving)) > 1 and len({io_of(trace) for trace in traces}) == 1:
        return serving
    names = [(io_of(trace), trace.pair["engine"]) for trace in traces]
    return [name if len(name) <= LABEL - 2 else engine for name, engine in names]
