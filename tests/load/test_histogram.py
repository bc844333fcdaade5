"""The histogram against sorted lists: percentiles within the stated error."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from fivefold.load.histogram import BUCKETS, ERROR, LONGEST_NS, Histogram, bucket_of, middle_of

LATENCIES = st.lists(st.integers(0, LONGEST_NS), min_size=1, max_size=200)


def recorded(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(st.integers(0, LONGEST_NS))
def test_a_bucket_is_as_narrow_as_promised(ns: int) -> None:
    assert 0 <= bucket_of(ns) < BUCKETS
    assert abs(middle_of(bucket_of(ns)) - ns) <= ERROR * ns


@given(LATENCIES, st.sampled_from([0.5, 0.9, 0.99, 0.999, 1.0]))
def test_percentiles_are_those_of_the_sorted_values(values: list[int], share: float) -> None:
    exact = sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]

    assert abs(recorded(values).percentile(share) - exact) <= ERROR * exact


@given(LATENCIES, LATENCIES)
def test_two_histograms_add_up_to_one(ours: list[int], theirs: list[int]) -> None:
    whole = recorded(ours)
    whole.add(recorded(theirs))

    assert whole.counts == recorded(ours + theirs).counts
    assert (whole.lowest, whole.highest) == (min(ours + theirs), max(ours + theirs))
    assert whole.total == sum(whole.counts)


def test_extremes_are_kept_exactly_and_bounded() -> None:
    histogram = recorded([-5, 123_457, LONGEST_NS * 2])

    assert (histogram.lowest, histogram.highest) == (0, LONGEST_NS)
    assert Histogram().percentile(0.5) == 0
