"""`/metrics`: what is counted, as Prometheus reads it.

The library writes the text; its own counters, which know one process alone, are not used.  A
collector of ours gives it the sums over all processes at the moment of the scrape.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from time import monotonic_ns

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from ..http1.exchange import Exchange
from ..linux.proc.accept_queues import waiting
from ..processes.census import Census
from .engine_counters import COUNTERS
from .routes import answering
from .rows import (
    CLOSED,
    DUE,
    DURATION,
    DURATION_SUM,
    DURATIONS_NS,
    ENGINE,
    IDLE,
    LATE,
    LATE_SUM,
    LOST,
    OPENED,
    QUEUE,
    QUEUE_SUM,
    REFUSED,
    SIZE,
    SIZE_SUM,
    SIZES,
    STATUSES,
    Rows,
)

KIND = b"text/plain; version=0.0.4; charset=utf-8"

S = 1e-9
"""A nanosecond."""


@dataclass(frozen=True)
class ServerFacts:
    """What does not change while the server runs."""

    services: list[dict[str, str]]
    """Of each the version, its pair, its first address."""
    queues: dict[int, str]
    """Addresses by the inodes of their listening sockets."""


class ServerCollector:
    """Everything at once, when it is asked for."""

    def __init__(self, rows: dict[str, Rows], census: Census, facts: ServerFacts) -> None:
        self._rows = rows
        self._census = census
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        info = InfoMetricFamily("fivefold", "The services of the server.")
        for service in self._facts.services:
            info.add_metric([], service)
        yield info
        yield from self._requests({kind: rows.total() for kind, rows in self._rows.items()})
        yield from self._now([row for rows in self._rows.values() for row in rows.living()])
        yield from self._workers()
        yield self._queues()

    def _requests(self, totals: dict[str, list[int]]) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "fivefold_requests",
            "Requests answered; 499: the client left before.",
            labels=["status", "content"],
        )
        for kind, counts in totals.items():
            for status, count in enumerate(counts[:STATUSES]):
                if count:
                    requests.add_metric([str(status), kind], count)
        yield requests
        total = [sum(column) for column in zip(*totals.values(), strict=True)]
        yield HistogramMetricFamily(
            "fivefold_request_duration_seconds",
            "From a whole request head until the kernel had all of the response.",
            buckets=buckets(total[DURATION:], [bound * S for bound in DURATIONS_NS]),
            sum_value=total[DURATION_SUM] * S,
        )
        yield HistogramMetricFamily(
            "fivefold_response_size_bytes",
            "Bytes of the bodies sent.",
            buckets=buckets(total[SIZE:], SIZES),
            sum_value=total[SIZE_SUM],
        )
        yield HistogramMetricFamily(
            "fivefold_queue_seconds",
            "How long the first bytes of a connection lay in the kernel, where that is known.",
            buckets=buckets(total[QUEUE:], [bound * S for bound in DURATIONS_NS]),
            sum_value=total[QUEUE_SUM] * S,
        )
        yield CounterMetricFamily(
            "fivefold_connections_opened", "Connections that were served.", total[OPENED]
        )
        yield CounterMetricFamily(
            "fivefold_connections_refused",
            "Clients beyond the limit of connections, answered 503 unserved (--overload 503).",
            total[REFUSED],
        )
        yield CounterMetricFamily(
            "fivefold_connection_processes_died",
            "Processes below a worker (--serving process) that no process had asked to end.",
            total[LOST],
        )
        yield CounterMetricFamily(
            "fivefold_event_loop_late_seconds",
            "By how much the event loops came late to their ticks, in all.",
            total[LATE_SUM] * S,
        )
        yield self._engines(total[ENGINE:])

    def _engines(self, counts: Sequence[int]) -> Metric:
        events = CounterMetricFamily(
            "fivefold_engine_events", "What an I/O engine did.", labels=["engine", "event"]
        )
        used = {service["io"] for service in self._facts.services}
        for labels, count in zip(COUNTERS, counts, strict=True):
            if labels[0] in used:
                events.add_metric(labels, count)
        return events

    def _now(self, rows: list[list[int]]) -> Iterator[Metric]:
        opened = [row[OPENED] - row[CLOSED] for row in rows]
        idle = sum(min(row[IDLE], n) for row, n in zip(rows, opened, strict=True))
        connections = GaugeMetricFamily(
            "fivefold_connections",
            "Open connections: idle ones wait for a request, as of the last tick.",
            labels=["state"],
        )
        connections.add_metric(["idle"], idle)
        connections.add_metric(["active"], sum(opened) - idle)
        yield connections
        now = monotonic_ns()
        late = [max(row[LATE], now - row[DUE]) for row in rows if row[DUE]]
        if late:
            yield GaugeMetricFamily(
                "fivefold_event_loop_lag_seconds",
                "How late the latest event loop is: its last tick, or the one that is due.",
                max(late) * S,
            )

    def _workers(self) -> Iterator[Metric]:
        census = self._census
        yield GaugeMetricFamily("fivefold_workers", "Workers that shall be there.", census.slots)
        yield GaugeMetricFamily(
            "fivefold_workers_ready", "Workers that accept connections.", census.ready
        )
        yield CounterMetricFamily(
            "fivefold_workers_started",
            "Workers forked, the first ones too.",
            census.forked,
        )
        yield CounterMetricFamily(
            "fivefold_workers_died",
            "Workers that no process had asked to end.",
            census.lost,
        )

    def _queues(self) -> Metric:
        queues = GaugeMetricFamily(
            "fivefold_accept_queue", "Connections that wait to be accepted.", labels=["address"]
        )
        sums: dict[str, int] = {}
        for inode, length in waiting(self._facts.queues).items():
            address = self._facts.queues[inode]
            sums[address] = sums.get(address, 0) + length
        for address, length in sums.items():
            queues.add_metric([address], length)
        return queues


def buckets(counts: Iterable[int], bounds: Sequence[float]) -> list[tuple[str, float]]:
    """As Prometheus counts: each holds those below it."""
    names = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    return [(name, float(n)) for name, n in zip(names, accumulate(counts), strict=False)]


class MetricsRoute:
    """The route."""

    def __init__(self, rows: dict[str, Rows], census: Census, facts: ServerFacts) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(ServerCollector(rows, census, facts))

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.answer(answering(200, KIND, generate_latest(self._registry)))
