from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_data import histogram
from obsv.emf.histogram import representative, targets
from obsv.emf.limits import MAX_VALUE
from obsv.emf.counts import Counts
from obsv.hotpath.metrics import bucket


def read(point: Any, counts: Counts | None = None) -> list[Any]:
    return [json.loads(text) for text in targets(point, counts or Counts())]


def test_up_to_a_hundred_values_are_a_plain_array() -> None:
    assert read(histogram([1.5, 2, -3.25, 0], keep=True)) == [[1.5, 2, -3.25, 0]]
    assert [len(part) for part in read(histogram(list(range(100)), keep=True))] == [100]


def test_more_values_than_an_array_holds_are_several() -> None:
    point = histogram([1.0])
    point.values = [float(value) for value in range(250)]
    assert [len(part) for part in read(point)] == [100, 100, 50]


def test_values_that_are_no_numbers_are_left_out_and_counted() -> None:
    counts = Counts()
    point = histogram([1.0])
    point.values = [1.0, float("nan"), 2.0, float("inf")]
    assert read(point, counts) == [[1.0, 2.0]]
    assert sum(counts.changed.values()) == 2


def test_more_values_are_the_form_of_the_awsemf_exporter() -> None:
    [part] = read(histogram([1.0, 1.0, 5.0, 0.0, -2.0]))
    assert list(part) == ["Values", "Counts", "Count", "Sum", "Max", "Min"]
    assert part["Values"] == pytest.approx([-2.0, 0.0, 1.0, 5.0], rel=0.006)
    assert part["Counts"] == [1, 1, 2, 1]
    assert (part["Count"], part["Sum"], part["Max"], part["Min"]) == (5, 5.0, 5.0, -2.0)


def test_each_part_has_its_own_statistics_and_together_they_are_the_whole() -> None:
    values = [1.02**index for index in range(1000)]
    parts = read(histogram(values))
    assert len(parts) > 5
    assert all(len(part["Values"]) == len(part["Counts"]) <= 100 for part in parts)
    assert all(part["Count"] == sum(part["Counts"]) for part in parts)
    assert sum(part["Count"] for part in parts) == 1000
    assert math.fsum(part["Sum"] for part in parts) == pytest.approx(sum(values), rel=1e-12)
    assert parts[0]["Min"] == min(values)
    assert parts[-1]["Max"] == max(values)
    for part in parts:
        assert part["Min"] <= part["Values"][0]
        assert part["Values"][-1] <= part["Max"]
    for before, after in itertools.pairwise(parts):
        assert before["Max"] < after["Min"]


def test_values_stay_between_the_extremes() -> None:
    [part] = read(histogram([10.0] * 500))
    assert part == {"Values": [10.0], "Counts": [500], "Count": 500, "Sum": 5000.0, "Max": 10.0, "Min": 10.0}


def test_a_histogram_without_buckets_is_its_statistics() -> None:
    point = histogram([])
    point.count, point.sum, point.min, point.max = 3, 6.0, 1.0, 3.0
    assert read(point) == [{"Count": 3, "Sum": 6.0, "Max": 3.0, "Min": 1.0}]


def test_an_empty_histogram_is_nothing() -> None:
    assert read(histogram([])) == []


def test_buckets_beyond_cloudwatchs_range_are_left_out_and_counted() -> None:
    counts = Counts()
    point = histogram([1.0, 2.0])
    point.max = float("inf")
    point.buckets[10**6] = 3
    [part] = read(point, counts)
    assert part["Count"] == 2
    assert counts.changed == {"values left out: not a number within 2^360": 3}


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_what_stands_for_a_bucket_is_near_to_all_that_is_in_it(value: float) -> None:
    assert representative(bucket(value)) == pytest.approx(value, rel=0.0055)


@given(st.lists(st.floats(-1e90, 1e90, allow_nan=False, allow_subnormal=False), min_size=1, max_size=400))
def test_counts_sum_and_extremes_are_true(values: list[float]) -> None:
    parts = read(histogram(values))
    assert sum(part["Count"] for part in parts) == len(values)
    assert min(part["Min"] for part in parts) == min(values)
    assert max(part["Max"] for part in parts) == max(values)
    assert math.fsum(part["Sum"] for part in parts) == pytest.approx(sum(values), abs=1e-9 * sum(map(abs, values)))
    numbers = [number for part in parts for key in ("Values", "Counts") for number in part[key]]
    assert all(abs(number) <= MAX_VALUE for number in numbers)
