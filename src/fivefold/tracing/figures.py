"""What the forms of a trace share: short names, and figures with units as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .model import STEPS, Step, Trace

SHORT_NAMES = (
    "request to interface",
    "interface to kernel",
    "server is woken",
    "server asks for file",
    "kernel calls driver",
    "disk is read",
    "data in kernel buffer",
    "copy to server",
    "response to kernel",
    "kernel to interface",
    "delivery to client",
)
"""The eleven steps where there is little room."""


@dataclass(frozen=True)
class Figure:
    """One of the summary's durations."""

    field: str
    """The field of `Summary`, and of the JSON form."""
    label: str
    actor: str
    """Whose colour it has."""


FIGURES = (
    Figure("network_wait_us", "network wait", "client"),
    Figure("network_copy_us", "network copy", "interface"),
    Figure("disk_wait_us", "disk wait", "disk"),
    Figure("disk_copy_us", "disk copy", "kernel"),
    Figure("application_us", "application", "server"),
    Figure("runqueue_us", "run queue", "other"),
    Figure("total_us", "total", "all"),
)

FIGURES_OVERLAP = "These sums may overlap: they need not add up to the total."


def listed(traces: Trace | Sequence[Trace]) -> tuple[Trace, ...]:
    """One trace or several, as several. Raises `ValueError` for none."""
    several = (traces,) if isinstance(traces, Trace) else tuple(traces)
    if not several:
        raise ValueError("no trace to show")
    return several


def actor_of(step: Step) -> str:
    return STEPS[step.step - 1].actor


def short_name(step: Step) -> str:
    return SHORT_NAMES[step.step - 1]


def sources_of(step: Step) -> tuple[str, ...]:
    """Which sources the step rests on, each once, in the order of the evidence."""
    return tuple(dict.fromkeys(evidence.source for evidence in step.evidence))


def figure_of(trace: Trace, figure: Figure) -> float:
    return float(getattr(trace.summary, figure.field))


def span_us(traces: Sequence[Trace]) -> float:
    """The common time axis: as long as the longest of the traces; never 0."""
    ends = [step.start_us + step.duration_us for trace in traces for step in trace.steps]
    return max(*ends, *(trace.summary.total_us for trace in traces), 1e-3)


def pair_of(trace: Trace) -> str:
    """ "thread x multiplexing (epoll)"; the engine only where it is not the model itself."""
    return f"{trace.pair['serving']} x {io_of(trace)}"


def io_of(trace: Trace) -> str:
    io, engine = trace.pair["io"], trace.pair["engine"]
    return io if io == engine else f"{io} ({engine})"


def rights_of(trace: Trace) -> str:
    if trace.privileged:
        return "privileged: with the kernel's trace events"
    return "not privileged: without the kernel's trace events"


def request_of(trace: Trace) -> str:
    return f"{trace.request['method']} {trace.request['target']}"


def duration(us: float) -> str:
    """Three significant digits and a unit: "12.3 µs", "1.83 ms", "12.0 s"."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if abs(us) >= size * 0.9995:
            return f"{_three_digits(us / size)} {unit}"
    return f"{_three_digits(us)} µs"


def amount(count: float) -> str:
    """Bytes as people read them: "512 B", "1.50 KiB"."""
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        count /= 1024
        if count < 999.5:
            break
    return f"{_three_digits(count)} {unit}"


def _three_digits(value: float) -> str:
    decimals = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:.{decimals}f}" if value else "0"
