"""Percentiles of what is written about a histogram, against those of the values that were recorded.

A value's bucket is ``(2**(i/64), 2**((i+1)/64)]``, and what stands for it is off by at most 2**(1/128) - 1, 0.55 %. So
every percentile of what arrives is within 1 % of the true one, count and extremes are exact, and so is the sum.
"""

from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.emf.counts import Counts
from obsv.emf.histogram import MAX_PLAIN
from obsv.emf.shape import Shape
from obsv.hotpath.metrics import Histogram, Meter, collect

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PERCENTILES = (0.0, 0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100.0)


def percentile(values: Sequence[float], share: float) -> float:
    """The value at the nearest rank; ``values`` are sorted."""
    return values[max(0, math.ceil(len(values) * share / 100) - 1)]


def written(values: Iterable[float], **options: Any) -> list[Any]:
    """Record values into a real histogram, and return what stands under its name in each event."""
    meter = Meter()
    meter.enabled = True
    made = Histogram("latency", "Milliseconds", meter=meter)
    meter.instruments["latency"] = made
    record = made.bind().record
    for value in values:
        record(value)
    counts = Counts()
    lines = list(Shape("shop", **options).lines(collect(1_000_000, meter), counts))
    assert not counts.refused
    return [json.loads(line)["latency"] for line in lines]


def arrived(parts: list[Any]) -> list[float]:
    """What CloudWatch sees, sorted."""
    values: list[float] = []
    for part in parts:
        if isinstance(part, list):
            values += part
        else:
            for value, count in zip(part["Values"], part["Counts"], strict=True):
                values += [value] * count
    return sorted(values)


def near(found: float, true: float) -> bool:
    return math.isclose(found, true, rel_tol=0.01)


floats = st.floats(-1e60, 1e60, allow_subnormal=False) | st.sampled_from([0.0, 1.0, 1024.0, 2.0**-30])
whole = st.integers(-(10**12), 10**12)


@given(st.lists(floats | whole, min_size=101, max_size=400))
def test_percentiles_are_within_1_percent(values: list[float]) -> None:
    found, true = arrived(written(values)), sorted(values)
    assert len(found) == len(true)
    for share in PERCENTILES:
        assert near(percentile(found, share), percentile(true, share)), share


@given(st.lists(floats, min_size=1, max_size=400))
def test_count_sum_and_extremes_are_exact(values: list[float]) -> None:
    parts = written(values)
    if len(values) <= 100:
        assert sorted(parts[0]) == sorted(values)
        return
    assert sum(part["Count"] for part in parts) == len(values)
    assert min(part["Min"] for part in parts) == min(values)
    assert max(part["Max"] for part in parts) == max(values)
    exact = math.fsum(values)
    assert abs(math.fsum(part["Sum"] for part in parts) - exact) <= 1e-9 * math.fsum(map(abs, values))


@given(st.lists(whole, min_size=101, max_size=300))
def test_the_sum_of_whole_numbers_is_exact(values: list[int]) -> None:
    assert math.fsum(part["Sum"] for part in written(values)) == pytest.approx(sum(values), rel=1e-12, abs=1e-3)


@given(st.lists(floats, min_size=1, max_size=400))
def test_plain_arrays_hold_every_value_up_to_a_thousand(values: list[float]) -> None:
    parts = written(values, arrays=True)
    assert all(isinstance(part, list) and 1 <= len(part) <= 100 for part in parts)
    found, true = arrived(parts), sorted(values)
    assert all(near(one, other) for one, other in zip(found, true, strict=True))
    assert (found[0], found[-1]) == (true[0], true[-1])


@given(st.lists(st.tuples(st.floats(1e-6, 1e9), st.integers(1, 40)), min_size=60, max_size=120))
def test_plain_arrays_of_more_are_a_thousand_values_at_equal_ranks(counted: list[tuple[float, int]]) -> None:
    values = sorted(value for value, count in counted for _ in range(count))
    parts = written(values, arrays=True)
    found = arrived(parts)
    assert len(found) == min(len(values), MAX_PLAIN)
    assert (found[0], found[-1]) == (values[0], values[-1])
    if len(values) > MAX_PLAIN:
        for index, value in enumerate(found[1:-1], start=1):
            rank = math.floor((index + 0.5) * len(values) / MAX_PLAIN)
            assert near(value, values[min(rank, len(values) - 1)]) or near(value, values[rank - 1])


def test_a_million_records_are_a_bounded_number_of_values() -> None:
    random.seed(5)
    values = [random.lognormvariate(3, 1.5) for _ in range(1_000_000)]
    parts = written(values)
    doublings = math.log2(max(values) / min(values))
    assert sum(len(part["Values"]) for part in parts) <= 64 * doublings + 2
    assert len(parts) <= 25
    assert sum(part["Count"] for part in parts) == 1_000_000
    found, true = arrived(parts), sorted(values)
    for share in PERCENTILES:
        assert near(percentile(found, share), percentile(true, share))
    plain = arrived(written(values, arrays=True))
    assert len(plain) == MAX_PLAIN
    for share in (1, 5, 10, 25, 50, 75, 90, 95, 99):
        low, high = percentile(true, share - 0.1), percentile(true, share + 0.1)
        assert low * 0.99 <= percentile(plain, share) <= high * 1.01
