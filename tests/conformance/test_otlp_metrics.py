"""OTLP metrics: our bytes, read by OpenTelemetry's own classes, are the points."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from obsv.hotpath.metrics import Counter, Gauge, Histogram, Meter, collect
from obsv.hotpath.otlp import resource_bytes
from obsv.hotpath.otlp_metrics import CUMULATIVE, DELTA, MAX_BUCKETS, UNITS, metrics, rescale
from obsv.hotpath.records import MetricPoint
from obsv.hotpath.span import Scope
from otlp_data import expected_pairs, keys, moments, pairs, same, texts, utf8

NOTHING = resource_bytes({})
SCOPE = Scope("a scope", "1", None, "https://schema")

numbers = st.integers(-(2**80), 2**80) | st.floats()
dimensions = st.dictionaries(keys, st.booleans() | st.integers() | st.floats() | texts, max_size=4)


def parse(points: list[MetricPoint], temporality: int = DELTA) -> Any:
    [resource] = ExportMetricsServiceRequest.FromString(metrics(points, NOTHING, temporality)).resource_metrics
    return [(scope, metric) for scope in resource.scope_metrics for metric in scope.metrics]


def point(kind: str, name: str = "m", unit: str = "Count", **values: Any) -> MetricPoint:
    made = MetricPoint(name, unit, values.pop("description", ""), kind, values.pop("attributes", {}), 5, 6, SCOPE)
    for key, value in values.items():
        setattr(made, key, value)
    return made


def value_of(number: Any) -> Any:
    return getattr(number, number.WhichOneof("value"))


@pytest.mark.parametrize("kind", ["counter", "gauge"])
@pytest.mark.parametrize("temporality", [DELTA, CUMULATIVE])
@given(texts, texts, dimensions, moments, moments, numbers)
def test_numbers(
    kind: str, temporality: int, name: str, description: str, attributes: Any, start: int, end: int, value: Any
) -> None:
    made = MetricPoint(name, "Bytes", description, kind, attributes, start, end, SCOPE)
    made.value = value
    [(scope, metric)] = parse([made], temporality)
    assert (scope.scope.name, scope.scope.version, scope.schema_url) == ("a scope", "1", "https://schema")
    assert (metric.name, metric.description, metric.unit) == (utf8(name), utf8(description), "By")
    if kind == "counter":
        assert metric.sum.is_monotonic
        assert metric.sum.aggregation_temporality == temporality
    [number] = (metric.sum if kind == "counter" else metric.gauge).data_points
    assert (number.start_time_unix_nano, number.time_unix_nano) == (start, end)
    assert same(pairs(number.attributes), expected_pairs(attributes))
    got = value_of(number)
    wanted = value if isinstance(value, int) and -(2**63) <= value < 2**63 else float(value)
    assert same(got, wanted)


@given(st.lists(st.floats(-1e300, 1e300) | st.integers(-1000, 1000), min_size=1, max_size=150))
def test_histograms(values: list[float]) -> None:
    meter = Meter()
    meter.enabled = True
    histogram = meter.instruments["h"] = Histogram("h", "Seconds", "", None, meter)
    for value in values:
        histogram.record(value, route="/")
    [(_, metric)] = parse(collect(10**18, meter))
    assert metric.unit == "s"
    assert metric.exponential_histogram.aggregation_temporality == DELTA
    [got] = metric.exponential_histogram.data_points
    assert pairs(got.attributes) == [("route", "/")]
    assert (got.count, got.min, got.max) == (len(values), float(min(values)), float(max(values)))
    assert got.zero_count == values.count(0)
    assert math.isclose(got.sum, math.fsum(values), rel_tol=1e-9, abs_tol=1e-9 * max(map(abs, values)) * len(values))
    for side, sign in ((got.positive, 1), (got.negative, -1)):
        assert len(side.bucket_counts) <= MAX_BUCKETS
        mine = sorted(sign * value for value in values if sign * value > 0)
        assert sum(side.bucket_counts) == len(mine)
        step = 2.0**-got.scale  # a bucket's width in doublings
        counts = list(side.bucket_counts)
        for value in mine:  # ascending, so each stands in the first bucket that is not used up
            index = next(i for i, count in enumerate(counts) if count)
            counts[index] -= 1
            lower = (side.offset + index) * step
            exact = math.log2(value) if value > 1e-300 else math.log2(value * 2.0**200) - 200
            assert lower - 1e-6 <= exact <= lower + step + 1e-6


@given(
    st.dictionaries(st.integers(-68_000, 66_000), st.integers(1, 9)),
    st.dictionaries(st.integers(-9, 9), st.integers(1, 9)),
)
def test_rescaling_keeps_every_count(positive: dict[int, int], negative: dict[int, int]) -> None:
    scale, wide, narrow = rescale(positive, negative)
    assert sum(wide.values()) == sum(positive.values())
    assert sum(narrow.values()) == sum(negative.values())
    assert {index >> (6 - scale) for index in positive} == set(wide)
    assert all(max(side) - min(side) < MAX_BUCKETS for side in (wide, narrow) if side)


def test_series_of_one_metric_stand_together() -> None:
    points = [point("counter", attributes={"a": 1}, value=1), point("gauge", "other", value=2)]
    points.append(point("counter", attributes={"a": 2}, value=3))
    (_, first), (_, second) = parse(points)
    assert [value_of(number) for number in first.sum.data_points] == [1, 3]
    assert second.name == "other"


def test_instruments_end_to_end() -> None:
    meter = Meter()
    meter.enabled = True
    for kind, name in ((Counter, "c"), (Gauge, "g")):
        meter.instruments[name] = kind(name, "None", "", None, meter)
    meter.instruments["c"].add(2, a="x")
    meter.instruments["g"].set(1.5)
    (_, counter), (_, gauge) = parse(collect(10**18, meter))
    assert value_of(counter.sum.data_points[0]) == 2
    assert value_of(gauge.gauge.data_points[0]) == 1.5
    assert counter.unit == "1"


def test_sums_larger_than_any_float() -> None:
    made = point("histogram", count=2, sum=10**400, min=-(10**400), max=10**400, buckets={0: 2})
    [(_, metric)] = parse([made, point("counter", "c", value=10**400)])[:1]
    [got] = metric.exponential_histogram.data_points
    assert (got.sum, got.min, got.max) == (math.inf, -math.inf, math.inf)


@pytest.mark.parametrize(("word", "unit"), [*UNITS.items(), ("{request}", "{request}"), ("my unit", "my unit")])
def test_units(word: str, unit: str) -> None:
    assert parse([point("gauge", unit=word, value=1)])[0][1].unit == unit


def test_every_cloudwatch_unit_has_one() -> None:
    from obsv.emf.units import UNITS as WORDS

    assert set(WORDS) <= set(UNITS)
