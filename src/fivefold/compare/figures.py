"""The figures of a row, as data: where each comes from, its unit, how it is shown.

A sample is one run; a figure is its median over the interleaved rounds with the smallest
and the largest value.  The terminal, the JSON, the report and the advice read `FIGURES`.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..linux.accounting import Used
from ..load.tally import Tally

MS, US, KIB_IN_MIB = 1e6, 1e6, 1024
AGAIN = 2
"""Answers for each client that is served, from which on those that are not do not wait in a queue
with them."""

Row = dict[str, Any]
"""Of the document: one contender in one scenario."""


@dataclass(frozen=True)
class Sample:
    """One run of one contender."""

    tally: Tally
    before: Used | None
    """None, as `after`, for a server that is not ours to look into."""
    after: Used | None
    pss_kib: int | None
    """At rest, right after the run."""
    foreign: float | None = None
    """The share of the cores' time that other programs had; None if it is not known."""


@dataclass(frozen=True)
class Reach:
    """Which clients were answered in the longest round that was tried."""

    clients: int = 0
    served: int = 0
    answers: int = 0
    seconds: float = 0.0

    @classmethod
    def of(cls, tally: Tally) -> Reach:
        """Everyone, where the load does not tell."""
        answers = tally.requests + tally.errors.total()
        return cls(tally.clients, tally.clients_served, answers, tally.elapsed_s)

    @property
    def left(self) -> int:
        return self.clients - self.served

    def is_left_out(self, longest_s: float) -> bool:
        """Whether the server leaves the others out, rather than the clock: no longer round is
        asked for, or those who were served were served again and again meanwhile."""
        return bool(self.left) and (
            self.seconds >= longest_s or self.answers > AGAIN * max(self.served, 1)
        )


@dataclass(frozen=True)
class Examined:
    """What is looked at once for every row, in a run that is not timed, because looking costs."""

    pss_rest_kib: int | None = None
    pss_load_kib: int | None = None
    connections: int = 0
    syscalls_per_request: float | None = None
    bytes_copied: float | None = None
    reach: Reach = Reach()
    backlog_s: float = 0.0
    """How long the server needs for what was open at the end."""
    alone_ms: float | None = None
    """What one request takes when nobody else asks."""


@dataclass(frozen=True)
class Spread:
    """A figure: its median, how far the rounds lay apart, and each of them."""

    median: float
    min: float
    max: float
    rounds: tuple[float | None, ...] = ()
    """None for a round that had none: round n of one row is compared with round n of another."""

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread | None:
        """None where no round had it."""
        known = [value for value in values if value is not None]
        if not known:
            return None
        return cls(statistics.median(known), min(known), max(known), tuple(values))


Source = Callable[[Sample, Examined], float | None]


@dataclass(frozen=True)
class Figure:
    """One column."""

    name: str
    title: str
    unit: str
    source: Source
    less_is_better: bool = True
    group: str | None = None
    """The object of the JSON row that holds it; None: it stands in the row itself."""

    @property
    def key(self) -> str:
        """Unique, and how the report names it."""
        return f"{self.group}.{self.name}" if self.group else self.name


def percentile(share: float) -> Source:
    def source(sample: Sample, _: Examined) -> float | None:
        latencies = sample.tally.latencies
        return latencies.percentile(share) / MS if latencies.total else None

    return source


def per_request(factor: float, *names: str) -> Source:
    """What the tree used of these together, for each right answer."""

    def source(sample: Sample, _: Examined) -> float | None:
        if sample.before is None or not sample.tally.requests:
            return None
        pairs = [(getattr(sample.before, name), getattr(sample.after, name)) for name in names]
        used = sum(max(after - before, 0) for before, after in pairs)
        return float(used * factor / sample.tally.requests)

    return source


def cpu_part(name: str) -> Source:
    """User or system time: the exact total, divided as the kernel's ticks are."""
    sources = per_request(US, "cpu_s"), per_request(US, name), per_request(US, "user_s", "system_s")

    def source(sample: Sample, examined: Examined) -> float | None:
        whole, part, both = (get(sample, examined) for get in sources)
        return whole * part / both if whole is not None and part is not None and both else None

    return source


def served_share(sample: Sample, _: Examined) -> float | None:
    tally = sample.tally
    return 100 * tally.clients_served / tally.clients if tally.clients else None


def mib(kib: float | None) -> float | None:
    return None if kib is None else kib / KIB_IN_MIB


def per_connection(_: Sample, examined: Examined) -> float | None:
    rest, load = examined.pss_rest_kib, examined.pss_load_kib
    if rest is None or load is None or not examined.connections:
        return None
    return max(load - rest, 0) / examined.connections


FIGURES: tuple[Figure, ...] = (
    Figure(
        "requests_per_s",
        "requests/s",
        "requests a second",
        lambda sample, _: sample.tally.requests_per_s,
        less_is_better=False,
    ),
    Figure("p50", "p50 ms", "milliseconds", percentile(0.5), group="latency_ms"),
    Figure("p90", "p90 ms", "milliseconds", percentile(0.9), group="latency_ms"),
    Figure("p99", "p99 ms", "milliseconds", percentile(0.99), group="latency_ms"),
    Figure("p999", "p99.9 ms", "milliseconds", percentile(0.999), group="latency_ms"),
    Figure(
        "max",
        "max ms",
        "milliseconds",
        lambda sample, _: sample.tally.longest_ns / MS,
        group="latency_ms",
    ),
    Figure(
        "cpu_us_per_request",
        "CPU us/request",
        "microseconds of processor time a request",
        per_request(US, "cpu_s"),
    ),
    Figure("cpu_user_us_per_request", "user us", "microseconds", cpu_part("user_s")),
    Figure("cpu_system_us_per_request", "system us", "microseconds", cpu_part("system_s")),
    Figure("pss_mib", "MiB at rest", "MiB", lambda sample, _: mib(sample.pss_kib)),
    Figure("pss_load_mib", "MiB loaded", "MiB", lambda _, seen: mib(seen.pss_load_kib)),
    Figure("pss_kib_per_connection", "KiB/connection", "KiB", per_connection),
    Figure(
        "context_switches_per_request",
        "switches/request",
        "context switches a request",
        per_request(1, "voluntary", "involuntary"),
    ),
    Figure(
        "voluntary_switches_per_request",
        "voluntary",
        "voluntary context switches a request",
        per_request(1, "voluntary"),
    ),
    Figure(
        "syscalls_per_request",
        "system calls/request",
        "system calls a request",
        lambda _, seen: seen.syscalls_per_request,
    ),
    Figure(
        "bytes_copied_per_request",
        "bytes copied",
        "bytes a request, between kernel and process",
        lambda _, seen: seen.bytes_copied,
    ),
    Figure(
        "clients_served_percent",
        "clients served %",
        "percent of the clients",
        served_share,
        less_is_better=False,
    ),
    Figure(
        "requests_stalled",
        "left waiting",
        "requests that were not answered in the last quarter of a round",
        lambda sample, _: sample.tally.stalled,
    ),
)

BY_KEY: dict[str, Figure] = {figure.key: figure for figure in FIGURES}


def spread_of(figure: Figure, samples: Sequence[Sample], examined: Examined) -> Spread | None:
    """None where it could not be measured."""
    return Spread.of([figure.source(sample, examined) for sample in samples])
