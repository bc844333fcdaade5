"""Counters and histograms of the sampled requests, as Prometheus reads them (text, 0.0.4)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from typing import Any

BUCKETS_S = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005),
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
"""Upper bounds: from a file in memory to an application that is stuck."""

PARTS = ("read", "app", "send")


class Buckets:
    """How often it took how long."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS_S) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(BUCKETS_S, seconds)] += 1
        self._sum_s += seconds

    def lines(self, name: str, labels: str = "") -> Iterator[str]:
        total = 0
        for bound, count in zip((*BUCKETS_S, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{{labels}{"," if labels else ""}le="{bound}"}} {total}'
        around = f"{{{labels}}}" if labels else ""
        yield f"{name}_sum{around} {self._sum_s:.9f}"
        yield f"{name}_count{around} {total}"


class Metrics:
    """What was sampled since the server's start."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._requests: Counter[tuple[str, int]] = Counter()
        self._duration = Buckets()
        self._parts = {part: Buckets() for part in PARTS}
        self._thread_s = 0.0
        self._lost = 0

    def add(self, sample: dict[str, Any]) -> None:
        self._requests[sample["method"], sample["status"]] += 1
        self._duration.add(sum(sample[part] for part in PARTS) / 1e9)
        for part, histogram in self._parts.items():
            histogram.add(sample[part] / 1e9)
        self._thread_s += sample["thread"] / 1e9
        self._lost += sample["lost"]

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        name = "fivefold_sample_interval"
        yield from head(name, "gauge", "One of this many requests is sampled; 0: none is.")
        yield f"{name} {self._every}"
        name = "fivefold_sampled_requests_total"
        yield from head(name, "counter", "Requests that were sampled.")
        for (method, status), count in sorted(self._requests.items()):
            yield f'{name}{{method="{method}",status="{status}"}} {count}'
        name = "fivefold_sampled_request_duration_seconds"
        yield from head(name, "histogram", "From the first bytes to the last handed to the kernel.")
        yield from self._duration.lines(name)
        name = "fivefold_sampled_request_part_seconds"
        yield from head(name, "histogram", "Parts of that duration: read, app, send.")
        for part, histogram in self._parts.items():
            yield from histogram.lines(name, f'part="{part}"')
        name = "fivefold_sampled_thread_seconds_total"
        yield from head(name, "counter", "Processor time of the serving threads in that duration.")
        yield f"{name} {self._thread_s:.9f}"
        name = "fivefold_lost_messages_total"
        yield from head(name, "counter", "Samples that came too fast to be kept.")
        yield f"{name} {self._lost}"


def head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"
