"""What the forms of a trace share: short names, and figures with units as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..model import STEPS, Step, Trace

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
class SummaryFigure:
    """One of the summary's durations."""

    field: str
    """The field of `Summary`, and of the JSON form."""
    label: str
    actor: str
    """Whose colour it has."""


FIGURES = (
    SummaryFigure("network_wait_us", "network wait", "client"),
    SummaryFigure("network_copy_us", "network copy", "interface"),
    SummaryFigure("disk_wait_us", "disk wait", "disk"),
    SummaryFigure("disk_copy_us", "disk copy", "kernel"),
    SummaryFigure("application_us", "application or folder", "server"),
    SummaryFigure("runqueue_us", "run queue", "other"),
    SummaryFigure("total_us", "total", "all"),
)

FIGURES_OVERLAP = "These sums may overlap: they need not add up to the total."

NETWORK_WAIT_IS = (
    "network wait = steps 1, 2 and 11 + waits for the rest of a request + waits for room for the"
    " response."
)


def network_wait_of(trace: Trace) -> str:
    """What adds up to it."""
    whole = trace.summary
    steps = whole.network_wait_us - whole.rest_wait_us - whole.room_wait_us
    parts = [f"steps 1, 2 and 11 ({duration(steps)})"]
    if whole.rest_wait_us:
        parts.append(f"waits for the rest of the request ({duration(whole.rest_wait_us)})")
    if whole.room_wait_us:
        parts.append(f"waits for room for the response ({duration(whole.room_wait_us)})")
    return f"network wait = {' + '.join(parts)}."


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


def figure_of(trace: Trace, figure: SummaryFigure) -> float:
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


def circumstances_of(trace: Trace) -> list[str]:
    """What a reader must know to judge the times: what the server had done before, and whether
    the answer was ready. Nothing of a server that is not ours."""
    said = [spoken] if (spoken := spoken_of(trace)) else []
    before = trace.request.get("before")
    if before is not None:
        said.append(WARM.format(requests(before)) if before else FIRST)
    if trace.request["status"] == SWITCHING_PROTOCOLS:
        said.append(WEBSOCKET)
    if trace.request.get("from_memory"):
        said.append(FROM_MEMORY)
    return said


def spoken_of(trace: Trace) -> str:
    """The version of HTTP and of TLS, where it is not just HTTP/1.1."""
    http, tls = trace.request.get("http"), trace.request.get("tls")
    plain = f"HTTP/{http}" if http not in {None, "1.1"} or tls else ""
    return f"{plain} over {tls}" if tls else plain


SWITCHING_PROTOCOLS = 101
WEBSOCKET = (
    "it became a websocket: until its end all messages, both ways, are in step 9 and in the sums,"
    " the client's as the rest of the request"
)
FIRST = "the first request of a fresh process: Python runs this code for the first time"
WARM = "a warm server: {} before this one to the process that serves it"
FROM_MEMORY = (
    "the answer came from memory: no file was opened and no disk asked"
    " (--cold makes the server forget it and drops the file's pages)"
)


def requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"


def request_of(trace: Trace) -> str:
    return f"{trace.request['method']} {trace.request['target']}"


TIMES = (("s", 1e6), ("ms", 1e3), ("µs", 1.0))
SIZES = (("GiB", 1024.0**3), ("MiB", 1024.0**2), ("KiB", 1024.0))
"""Units, the largest first."""


def duration(us: float) -> str:
    """Three significant digits and a unit: "12.3 µs", "1.83 ms", "12.0 s"."""
    return _in_units(us, TIMES) if us else "0 µs"


def amount(count: float) -> str:
    """Bytes as people read them: "512 B", "1.50 KiB"."""
    return f"{count:.0f} B" if abs(count) < SIZES[-1][1] else _in_units(count, SIZES)


def _in_units(value: float, units: Sequence[tuple[str, float]]) -> str:
    """In the largest unit of which it is one at least, as far as three digits tell."""
    nearly_one = 0.9995
    name, size = next((u for u in units if abs(value) >= u[1] * nearly_one), units[-1])
    return f"{_three_digits(value / size)} {name}"


def _three_digits(value: float) -> str:
    decimals = next((d for d, limit in ((2, 9.995), (1, 99.95)) if abs(value) < limit), 0)
    return f"{value:.{decimals}f}"
