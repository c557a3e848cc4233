"""The SDK beside obsv: the same calls give the same sums, counts and buckets; its readers, views and filters work."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.metrics import Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, Counter, Histogram, Meter, ObservableGauge
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource

from obsv.hotpath import faults, metrics
from obsv.hotpath.otlp_metrics import CUMULATIVE
from obsv.hotpath.otlp_metrics import metrics as encode
from obsv.otel import MeterProvider, observing
from obsv.otel.observing import OBSERVER
from obsv.sinks.totals import Totals
from obsv.testing import Capture, capture
from otlp_data import pairs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is: no callback here hangs, so each is waited for."""
    monkeypatch.setattr(observing, "PATIENCE", 30)
    monkeypatch.setattr(observing, "LONGEST", 60)


@pytest.fixture
def seen() -> Iterator[Capture]:
    faults.reset()
    with capture(patch=False) as captured:
        yield captured
    faults.reset()


# ---------------------------------------------------------------------- side by side

NAMES = ("counter", "level", "histogram", "gauge")
numbers = st.integers(-100, 10**6) | st.floats(-100, 1e6) | st.sampled_from([0, math.nan, math.inf, 1e-9])
attribute = st.sampled_from(["x", "y", 1, 1.0, True, 0, False, None, b"1", (1, "a"), [True], {"k": 1}])
attributes = st.none() | st.dictionaries(st.sampled_from("ab"), attribute, max_size=2)
calls = st.tuples(st.sampled_from(NAMES), numbers, attributes) | st.tuples(
    st.just("collect"), st.lists(st.tuples(st.integers(0, 1000), attributes), max_size=4), st.none()
)


class Side:
    """One provider's instruments, and what their callbacks say next."""

    def __init__(self, meter: Any, boundaries: Any) -> None:
        self.observations: list[Observation] = []
        self.call = {
            "counter": meter.create_counter("counter").add,
            "level": meter.create_up_down_counter("level").add,
            "histogram": meter.create_histogram("histogram", explicit_bucket_boundaries_advisory=boundaries).record,
            "gauge": meter.create_gauge("gauge").set,
        }
        meter.create_observable_counter("oc", [lambda options: self.observations])
        meter.create_observable_up_down_counter("ol", [lambda options: self.observations])
        meter.create_observable_gauge("og", [lambda options: self.observations])


def from_sdk(reader: InMemoryMetricReader, last: dict[Any, Any]) -> dict[Any, Any]:
    """What the SDK says, by name and attributes."""
    data = reader.get_metrics_data()
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    key = (metric.name, repr(sorted((point.attributes or {}).items())))
                    last[key] = (
                        (point.count, point.sum, point.min, point.max, list(point.bucket_counts))
                        if hasattr(point, "bucket_counts")
                        else getattr(point, "value", None)
                    )
    return last


def from_obsv(totals: Totals, now: int, last: dict[Any, Any]) -> dict[Any, Any]:
    """What arrives at a collector, read back from the bytes."""
    OBSERVER.observe()
    request = ExportMetricsServiceRequest.FromString(encode(totals.add(metrics.collect(now)), b"", CUMULATIVE))
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points:
                    found = [
                        (name, dict(value) if isinstance(value, list) else value)
                        for name, value in pairs(point.attributes)
                    ]
                    last[metric.name, repr(sorted(found))] = (
                        (point.count, point.sum, point.min, point.max, list(point.bucket_counts))
                        if kind == "histogram"
                        else getattr(point, point.WhichOneof("value"))
                    )
    return last


def close(one: Any, other: Any) -> bool:
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(close, one, other))
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)


@given(st.lists(calls, max_size=30), st.sampled_from([None, [], [1, 2, 5], [0.5]]))
def test_random_calls_side_by_side(sequence: list[Any], boundaries: Any) -> None:
    reader = InMemoryMetricReader()
    theirs_provider = SdkMeterProvider([reader], shutdown_on_exit=False)
    ours_provider, enabled = MeterProvider(), metrics.METER.enabled
    metrics.METER.enabled = True
    metrics.forget()
    try:
        ours, theirs = Side(ours_provider.get_meter("x"), boundaries), Side(theirs_provider.get_meter("x"), boundaries)
        totals, now = Totals(), 10**18
        told: tuple[dict[Any, Any], dict[Any, Any]] = ({}, {})
        for name, value, given_attributes in [*sequence, ("collect", [], None)]:
            if name != "collect":
                ours.call[name](value, given_attributes)
                theirs.call[name](value, given_attributes)
                continue
            for side in (ours, theirs):
                side.observations = [Observation(number, found) for number, found in value]
            now += 10**9
            from_obsv(totals, now, told[0])
            from_sdk(reader, told[1])
        assert told[0].keys() == told[1].keys()
        for key, value in told[1].items():
            assert close(told[0][key], value), (key, told[0][key], value)
    finally:
        ours_provider.shutdown()
        theirs_provider.shutdown()
        metrics.METER.enabled = enabled


@given(st.lists(st.floats(1e-6, 1e9) | st.integers(0, 10**6), min_size=1, max_size=150).filter(any))
def test_exponential_buckets_side_by_side(values: list[Any]) -> None:
    reader = InMemoryMetricReader(
        preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation(max_size=160, max_scale=6)}
    )
    theirs = SdkMeterProvider([reader], shutdown_on_exit=False)
    recorder = theirs.get_meter("x").create_histogram("h")
    meter = metrics.Meter()
    meter.enabled = True
    from obsv.hotpath.api_metrics import ApiHistogram

    ours = meter.instruments["h"] = ApiHistogram("h", "", "", None, meter)
    for value in values:
        recorder.record(value)
        ours.record(value)
    request = ExportMetricsServiceRequest.FromString(encode(metrics.collect(10**18, meter), b""))
    [told] = request.resource_metrics[0].scope_metrics[0].metrics[0].exponential_histogram.data_points
    data: Any = reader.get_metrics_data()
    [point] = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert (told.count, told.zero_count, told.scale) == (point.count, point.zero_count, point.scale)
    assert math.isclose(told.sum, point.sum)
    assert filled(told.positive) == filled(point.positive)
    theirs.shutdown()


def filled(side: Any) -> dict[int, int]:
    return {side.offset + place: count for place, count in enumerate(side.bucket_counts) if count}


# ---------------------------------------------------------------------- readers, views, filters, resource


def read(reader: InMemoryMetricReader) -> dict[str, Any]:
    return {name: value for (name, _), value in from_sdk(reader, {}).items()}


def test_isinstance() -> None:
    provider = MeterProvider()
    assert isinstance(provider, SdkMeterProvider)
    meter = provider.get_meter("x")
    assert isinstance(meter, Meter)
    assert isinstance(meter.create_counter("c"), Counter)
    assert isinstance(meter.create_observable_gauge("g"), ObservableGauge)
    assert not isinstance(meter.create_counter("c"), Histogram)
    provider.shutdown()


def test_readers_get_what_the_sinks_get(seen: Capture) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource=Resource({"a": "b"}))
    meter = provider.get_meter("x", "1", attributes={"k": 1})
    meter.create_counter("c").add(2)
    meter.create_histogram("h", explicit_bucket_boundaries_advisory=[1, 2]).record(1.5)
    meter.create_observable_gauge("g", [lambda options: [Observation(4)]])
    data: Any = reader.get_metrics_data()
    [resource] = data.resource_metrics
    assert resource.resource.attributes == {"a": "b"}
    [scope] = resource.scope_metrics
    assert (scope.scope.name, scope.scope.version, scope.scope.attributes) == ("x", "1", {"k": 1})
    assert read(reader)["c"] == 2
    assert read(reader)["h"] == (1, 1.5, 1.5, 1.5, [0, 1, 0])
    assert read(reader)["g"] == 4
    assert {point.name: point.value or point.count for point in seen.points} == {"c": 2, "h": 1, "g": 4}
    provider.shutdown()


def test_a_reader_that_is_added_later(seen: Capture) -> None:
    provider = MeterProvider()
    counter = provider.get_meter("x").create_counter("c")
    counter.add(1)
    first, second = InMemoryMetricReader(), InMemoryMetricReader()
    provider.add_metric_reader(first)
    counter.add(2)
    provider.add_metric_reader(second)
    counter.add(4)
    provider.get_meter("y").create_up_down_counter("late").add(-8)
    assert read(first) == {"c": 6, "late": -8}
    assert read(second) == {"c": 4, "late": -8}
    provider.remove_metric_reader(second)
    counter.add(1)
    assert read(first)["c"] == 7
    assert seen.point("c").value == 8
    provider.shutdown()


def test_views_shape_what_readers_and_sinks_get(seen: Capture) -> None:
    reader = InMemoryMetricReader()
    views = [
        View(instrument_name="secret", aggregation=DropAggregation()),
        View(instrument_name="c", name="renamed", attribute_keys={"a"}),
        View(instrument_name="e", aggregation=ExponentialBucketHistogramAggregation(max_scale=3)),
    ]
    provider = MeterProvider([reader], views=views)
    meter = provider.get_meter("x")
    meter.create_counter("secret").add(1)
    counter, histogram, level = (
        meter.create_counter("c"),
        meter.create_histogram("h"),
        meter.create_up_down_counter("u"),
    )
    for step in (1, 2):
        counter.add(step, {"a": "x", "b": str(step)})
        histogram.record(step)
        level.add(step)
        meter.create_histogram("e").record(step)
        points = {point.name: point for point in seen.points}
        assert "secret" not in points
        assert (points["renamed"].attributes, points["renamed"].value) == ({"a": "x"}, step)
        assert (points["h"].count, sum(points["h"].bounded or ())) == (1, 1)
        assert points["u"].value == {1: 1, 2: 3}[step]
        assert (points["e"].count, sum(points["e"].buckets.values())) == (1, 1)
        del seen._sink.points[:]
    assert read(reader)["renamed"] == 3
    counter.add(4)
    provider.shutdown()
    assert [point.value for point in seen.points if point.name == "renamed"] == [4]
    assert not metrics.METER.sources


def test_exemplars(seen: Capture) -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], exemplar_filter=AlwaysOnExemplarFilter())
    provider.get_meter("x").create_counter("c").add(3)
    data: Any = reader.get_metrics_data()
    [point] = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert [exemplar.value for exemplar in point.exemplars] == [3]
    provider.shutdown()


class Broken(MetricReader):
    def _receive_metrics(self, metrics_data: Any, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        raise RuntimeError("no export")

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        raise RuntimeError("no shutdown")


def test_a_reader_that_fails_is_raised_and_the_sinks_get_theirs(seen: Capture) -> None:
    provider = MeterProvider([Broken()], shutdown_on_exit=False)
    counter = provider.get_meter("x").create_counter("c")
    counter.add(1)
    with pytest.raises(Exception, match="no export"):
        provider.force_flush()
    assert seen._sink.points[0].value == 1
    with pytest.raises(Exception, match="no shutdown"):
        provider.shutdown()
    counter.add(1)
    assert len(seen.points) == 1


class BrokenFilter(AlwaysOnExemplarFilter):
    def should_sample(self, *args: Any, **kwargs: Any) -> bool:
        raise RuntimeError("no sample")


def test_a_filter_that_raises_is_told_once(seen: Capture, capsys: Any) -> None:
    provider = MeterProvider([InMemoryMetricReader()], exemplar_filter=BrokenFilter())
    counter = provider.get_meter("x").create_counter("c")
    counter.add(1)
    counter.add(1)
    assert seen.point("c").value == 2
    assert capsys.readouterr().err.count("no sample") == 1
    provider.shutdown()


def test_private_attributes_that_tools_read() -> None:
    provider = MeterProvider(resource=Resource({"a": "b"}))
    assert provider._sdk_config.resource.attributes == {"a": "b"}
    assert provider.get_meter("x", "1")._instrumentation_scope.version == "1"  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        _ = provider.nothing
    provider.shutdown()


def test_a_meter_configurator(seen: Capture) -> None:
    from opentelemetry.sdk.metrics._internal import _MeterConfig

    provider = MeterProvider()
    counter = provider.get_meter("x").create_counter("c")
    counter.add(1)
    provider._set_meter_configurator(meter_configurator=lambda scope: _MeterConfig(is_enabled=scope.name != "x"))
    counter.add(1)
    other = provider.get_meter("y").create_counter("d")
    other.add(1)
    assert {point.name: point.value for point in seen.points} == {"c": 1, "d": 1}
    provider.shutdown()
