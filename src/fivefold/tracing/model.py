"""What a trace is: observations in, eleven steps out; nothing here measures or draws.

An `Observation` is one thing that was seen, by the kernel or by us, at one moment.  A
`Trace` divides the time between the client's first byte and its last into the eleven
steps; each says which observations it rests on, or why it did not happen.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = 1
"""The version of the JSON form; a change that readers would notice raises it."""


@dataclass(frozen=True)
class StepKind:
    """One of the eleven steps, by the name that all forms of a trace use."""

    number: int
    name: str
    actor: str
    """The actor: client, interface, kernel, server, disk."""


STEPS = (
    StepKind(1, "the request reaches the network interface", "client"),
    StepKind(2, "the interface hands it to the kernel", "interface"),
    StepKind(3, "the kernel finds the socket and wakes the server", "kernel"),
    StepKind(4, "the server asks the kernel for the file", "server"),
    StepKind(5, "the kernel finds it on disk and calls the driver", "kernel"),
    StepKind(6, "the disk is read", "disk"),
    StepKind(7, "the data is in the kernel's buffer", "kernel"),
    StepKind(8, "it is copied to the server's buffer", "kernel"),
    StepKind(9, "the server builds the response and hands it to the kernel", "server"),
    StepKind(10, "the kernel hands it to the network interface", "kernel"),
    StepKind(11, "the interface delivers it to the client", "interface"),
)


@dataclass(frozen=True)
class Observation:
    """Something that was seen at one moment."""

    at_ns: int
    """`time.monotonic_ns`, which is also tracefs' `trace_clock=mono`."""
    source: str
    """The kernel's trace events ("tracefs"), time stamps of a socket ("timestamp"), our own clock
    around a call ("clock"), the kernel's counters of a thread ("accounting")."""
    event: str
    """What: a name of the kernel's ("net:netif_rx") or of ours ("recv.exit")."""
    detail: dict[str, Any] = field(default_factory=dict)
    """Bytes moved, descriptor, thread; what a reader may want to check."""


@dataclass(frozen=True)
class Evidence:
    """An observation that a step rests on, on the trace's own clock."""

    source: str
    event: str
    at_us: float
    detail: str = ""
    process: int | None = None
    thread: int | None = None
    """Whose doing it was, or whom it is about; None for what happened in an interrupt, which
    belongs to no thread, and for a time stamp."""


@dataclass(frozen=True)
class Step:
    """One of the eleven steps, in one request."""

    step: int
    name: str
    happened: bool
    why_not: str | None
    """Why it did not happen, or why it cannot be seen; None for one that happened."""
    start_us: float
    duration_us: float
    """0 for a step that did not happen; its time is in no other step."""
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Summary:
    """Microseconds; waits and copies of the two I/Os, and what lies between."""

    network_wait_us: float
    network_copy_us: float
    disk_wait_us: float
    disk_copy_us: float
    application_us: float
    runqueue_us: float
    """Runnable, but another thread had the processor."""
    total_us: float
    bytes_copied: int
    """Between kernel and process, both ways; once per byte and copy."""
    rest_wait_us: float = 0.0
    """Of the network wait: for the rest of the request, once content was asked or in vain."""
    room_wait_us: float = 0.0
    """Of the network wait: for room for the response. What is left of it are steps 1, 2 and 11."""


@dataclass(frozen=True)
class Segment:
    """A time in which a thread waited, copied, or did something else."""

    phase: str
    """`WAIT`, `COPY`, `WORK`, or `REST`: nothing is left to do for this exchange."""
    io: str
    """`NETWORK`, `DISK`, `PROCESSOR` for a wait to run, or "" for none of these."""
    part: str
    """Of what: `REQUEST`, `FILE`, `RESPONSE`, or "" likewise."""
    start_us: float
    duration_us: float
    label: str
    """What it was: "asleep in recvfrom"."""
    bytes: int = 0
    """That were copied."""
    ticks_us: tuple[float, ...] = ()
    """Moments of a wait: when a try was refused, when a signal came."""


WAIT, COPY, WORK, REST = "wait", "copy", "work", "rest"
NETWORK, DISK, PROCESSOR = "network", "disk", "processor"
REQUEST, FILE, RESPONSE = "request", "file", "response"


@dataclass(frozen=True)
class Mark:
    """A moment on a lane: a hand-over, a fork, a wake-up."""

    at_us: float
    label: str


@dataclass(frozen=True)
class Lane:
    """What one thread did, from left to right."""

    name: str
    process: int | None
    thread: int | None
    segments: tuple[Segment, ...]
    """In order, without overlaps."""
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Trace:
    """One request."""

    request: dict[str, Any]
    """method, target, status, bytes, and started (seconds since 1970)."""
    pair: dict[str, str]
    """serving, io, engine."""
    privileged: bool
    """Whether the kernel's trace events could be used."""
    steps: tuple[Step, ...]
    summary: Summary
    lanes: tuple[Lane, ...] = ()
    """The first is the thread that served it, as it waited and copied; the others are of threads
    and processes that handed it over."""
    notes: tuple[str, ...] = ()
    """What a reader must know: events that were lost, evidence that could not be had and how."""

    def as_json(self) -> dict[str, Any]:
        """The documented form (docs/trace.md)."""
        return {"schema": SCHEMA, **asdict(self)}
