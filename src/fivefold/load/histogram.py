"""Latencies counted in buckets: little memory, and percentiles with a known error.

Log-linear, as HdrHistogram's: each power of two has 128 buckets of equal width, so a
bucket is at most 1/128 of its values wide and its middle at most 0.4 % off.  Minimum and
maximum are kept exactly.  One list of whole numbers, because recording stands in the
generator's hottest loop.
"""

from __future__ import annotations

SUB_BITS = 7
LINEAR = 1 << (SUB_BITS + 1)
"""Below this many nanoseconds every value has a bucket of its own."""

LONGEST_NS = (1 << 40) - 1
"""18 minutes; what takes longer is counted as this."""

ERROR = 1 / (1 << (SUB_BITS + 1))
"""The relative error of a percentile, at most."""


def bucket_of(ns: int) -> int:
    shift = ns.bit_length() - SUB_BITS - 1
    return (shift << SUB_BITS) + (ns >> shift) if shift > 0 else ns


def middle_of(bucket: int) -> float:
    """The middle of a bucket, in nanoseconds."""
    if bucket < LINEAR:
        return bucket
    shift = (bucket >> SUB_BITS) - 1
    mantissa = (bucket & ((1 << SUB_BITS) - 1)) + (1 << SUB_BITS)
    return (mantissa << shift) + ((1 << shift) - 1) / 2


BUCKETS = bucket_of(LONGEST_NS) + 1


class Histogram:
    """How often each latency was seen, in nanoseconds."""

    def __init__(self) -> None:
        self.counts = [0] * BUCKETS
        self.total = 0
        self.lowest = LONGEST_NS
        self.highest = 0

    def record(self, ns: int, times: int = 1) -> None:
        """Count a latency; negative ones are 0, very long ones `LONGEST_NS`."""
        if not times:
            return
        ns = min(max(ns, 0), LONGEST_NS)
        shift = ns.bit_length() - 8  # bucket_of, written out: a call costs as much as the rest
        self.counts[(shift << 7) + (ns >> shift) if shift > 0 else ns] += times
        self.total += times
        self.highest = max(self.highest, ns)
        self.lowest = min(self.lowest, ns)

    def add(self, other: Histogram) -> None:
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.total += other.total
        self.lowest = min(self.lowest, other.lowest)
        self.highest = max(self.highest, other.highest)

    def percentile(self, share: float) -> float:
        """The latency, in nanoseconds, that `share` (0 to 1) of all did not exceed; 0 if none."""
        if not self.total:
            return 0.0
        wanted, seen = share * self.total, 0
        for bucket, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return float(min(max(middle_of(bucket), self.lowest), self.highest))
        return float(self.highest)
