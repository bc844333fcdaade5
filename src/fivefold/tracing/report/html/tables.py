"""The tables of the page: all steps, the summary, and several traces side by side."""

from __future__ import annotations

import textwrap
from html import escape

from ...model import STEPS, Evidence, Step, Trace
from ..labels import (
    FIGURES,
    FIGURES_OVERLAP,
    SummaryFigure,
    actor_of,
    amount,
    duration,
    figure_of,
    io_of,
    pair_of,
    rights_of,
    span_us,
)

SHOWN = 4
"""How many observations of a step the page names; the data in the page hold all."""

LONGEST_DETAIL = 72
"""Characters of an observation's detail; likewise."""

AXIS = 1000.0
"""Length of the common axis in the bars' own units."""


def report(index: int, trace: Trace) -> str:
    """Everything about one trace, in words and bars."""
    notes = "".join(f"<li>{escape(note)}</li>" for note in trace.notes)
    return (
        f'<section aria-labelledby="trace-{index}">\n<h2 id="trace-{index}">'
        f"{escape(pair_of(trace))}</h2>\n<p>{escape(_about(trace))}</p>\n"
        + (f"<h3>Notes</h3>\n<ul>{notes}</ul>\n" if notes else "")
        + f"{_steps(index, trace)}\n{_summary(trace)}\n</section>"
    )


def comparison(traces: tuple[Trace, ...]) -> str:
    """The summaries of several traces on one axis; nothing for a single one."""
    if len(traces) == 1:
        return ""
    span = span_us(traces)
    groups = "\n".join(_group(figure, traces, span) for figure in FIGURES)
    copied = "".join(_compared(t, amount(t.summary.bytes_copied), "") for t in traces)
    return (
        '<section aria-labelledby="side-by-side">\n<h2 id="side-by-side">Side by side</h2>\n'
        f'<div class="scroll"><table>\n<caption>One axis for all, 0 to {duration(span)}.'
        f" {FIGURES_OVERLAP}</caption>\n{_head('figure', 'I/O model', '', 'on the axis')}\n"
        f'{groups}\n<tbody><tr><th scope="rowgroup" rowspan="{len(traces) + 1}">bytes copied</th>'
        f"</tr>{copied}</tbody>\n</table></div>\n</section>"
    )


def says(step: Step) -> str:
    """One step as a sentence or two, to be read aloud."""
    head = f"Step {step.step} of {len(STEPS)} ({actor_of(step)}): {step.name}."
    if not step.happened:
        return f"{head} No time of its own: {step.why_not or 'it is not known why'}."
    times = f"It took {duration(step.duration_us)}, from {duration(step.start_us)} on."
    seen = "; ".join(_evidence(step, in_detail=False)) or "none"
    return f"{head} {times} Evidence: {seen}."


def _about(trace: Trace) -> str:
    answer = f"Status {trace.request['status']}, {amount(trace.request['bytes'])}"
    return f"{answer}, {duration(trace.summary.total_us)}; {rights_of(trace)}."


def _head(*names: str) -> str:
    cells = "".join(f'<th scope="col">{name}</th>' if name else _UNNAMED for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


_UNNAMED = '<th scope="col" class="number">time</th>'


def _steps(index: int, trace: Trace) -> str:
    span = span_us([trace])
    rows = "\n".join(_row(index, step, span) for step in trace.steps)
    head = _head("step", "what happens", "who", "start", "took", "on the time axis", "evidence")
    return (
        f'<div class="scroll"><table>\n<caption>The eleven steps, from 0 to {duration(span)}'
        f"</caption>\n{head}\n<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _row(index: int, step: Step, span: float) -> str:
    return (
        f'<tr id="trace-{index}-step-{step.step}" data-name="{escape(step.name)}"'
        f' data-says="{escape(says(step))}"><td class="number">{step.step}</td>'
        f'<th scope="row">{escape(step.name)}</th><td>{actor_of(step)}</td>'
        f"{_happened(step, span) if step.happened else _absent(step)}</tr>"
    )


def _absent(step: Step) -> str:
    return f'<td colspan="4">no time of its own: {escape(step.why_not or "unknown why")}</td>'


def _happened(step: Step, span: float) -> str:
    bar = _bar(step.start_us / span, step.duration_us / span, actor_of(step))
    listed = "".join(f"<li>{escape(line)}</li>" for line in _evidence(step, in_detail=True))
    return (
        f'<td class="number">{duration(step.start_us)}</td>'
        f'<td class="number">{duration(step.duration_us)}</td>'
        f'<td class="axis">{bar}</td>'
        f"<td>{f'<ul>{listed}</ul>' if listed else 'none'}</td>"
    )


def _evidence(step: Step, *, in_detail: bool) -> list[str]:
    """The first observations, one line each, and how many more there are."""
    lines = [_observation(evidence, in_detail=in_detail) for evidence in step.evidence[:SHOWN]]
    more = len(step.evidence) - SHOWN
    return [*lines, f"and {more} more"] if more > 0 else lines


def _observation(evidence: Evidence, *, in_detail: bool) -> str:
    seen = f"{evidence.source} {evidence.event} at {duration(evidence.at_us)}"
    detail = textwrap.shorten(evidence.detail, LONGEST_DETAIL, placeholder=" …")
    return f"{seen} ({detail})" if in_detail and detail else seen


def _summary(trace: Trace) -> str:
    span = span_us([trace])
    rows = "\n".join(
        f'<tr><th scope="row">{figure.label}</th>{_measured(figure, trace, span)}</tr>'
        for figure in FIGURES
    )
    return (
        f"<h3>Summary</h3>\n<table>\n<caption>{FIGURES_OVERLAP}</caption>\n"
        f"{_head('figure', '', 'of the total')}\n<tbody>\n{rows}\n"
        f'<tr><th scope="row">bytes copied</th><td class="number">'
        f"{amount(trace.summary.bytes_copied)}</td><td></td></tr>\n</tbody>\n</table>"
    )


def _measured(figure: SummaryFigure, trace: Trace, span: float) -> str:
    value = figure_of(trace, figure)
    bar = _bar(0.0, value / span, figure.actor)
    return f'<td class="number">{duration(value)}</td><td class="axis">{bar}</td>'


def _group(figure: SummaryFigure, traces: tuple[Trace, ...], span: float) -> str:
    rows = "".join(
        _compared(t, duration(v), _bar(0.0, v / span, figure.actor))
        for t in traces
        for v in (figure_of(t, figure),)
    )
    return (
        f'<tbody><tr><th scope="rowgroup" rowspan="{len(traces) + 1}">{figure.label}</th></tr>'
        f"{rows}</tbody>"
    )


def _compared(trace: Trace, value: str, bar: str) -> str:
    return (
        f'<tr><th scope="row">{escape(io_of(trace))}</th><td class="number">{value}</td>'
        f'<td class="axis">{bar}</td></tr>'
    )


def _bar(start: float, length: float, actor: str) -> str:
    """A bar on the axis, 0 to 1; wide enough to be seen if it is not nothing."""
    width = max(length * AXIS, 4.0) if length > 0 else 0.0
    x = min(max(start, 0.0) * AXIS, AXIS - width)
    return (
        f'<svg class="bar" viewBox="0 0 {AXIS:.0f} 10" preserveAspectRatio="none"'
        f' aria-hidden="true"><rect class="{actor}" x="{x:.1f}" width="{width:.1f}"'
        ' height="10"/></svg>'
    )
