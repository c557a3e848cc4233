"""OpenTelemetry's metrics API over obsv: every instrument, what reaches the sinks, and nothing that raises."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import metrics as api
from opentelemetry.metrics import Observation
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from obsv.emf.shape import Shape
from obsv.hotpath import faults, metrics
from obsv.hotpath.otlp_metrics import CUMULATIVE, DELTA, LOW_MEMORY
from obsv.hotpath.otlp_metrics import metrics as encode
from obsv.otel import MeterProvider, observing
from obsv.otel import metrics as otel_metrics
from obsv.sinks.totals import Totals
from obsv.testing import Capture, capture
from otlp_data import pairs
from programs import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obsv.hotpath.records import MetricPoint


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


@pytest.fixture
def provider(seen: Capture) -> Iterator[MeterProvider]:
    made = MeterProvider()
    yield made
    if not made._ended:
        made.shutdown()


@pytest.fixture
def meter(provider: MeterProvider) -> Any:
    return provider.get_meter("a.library", "1.2", "https://schema", {"who": "me"})


def collected(seen: Capture) -> list[MetricPoint]:
    """What one collection brings."""
    found = list(seen.points)
    del seen._sink.points[:]
    return found


def values(points: list[MetricPoint], name: str) -> list[tuple[dict[str, Any], Any]]:
    return [(point.attributes, point.value) for point in points if point.name == name]


def otlp(points: list[MetricPoint], preference: int = CUMULATIVE) -> dict[str, Any]:
    """The metrics of a request by name."""
    told = points if preference == DELTA else Totals(preference).add(points)
    request = ExportMetricsServiceRequest.FromString(encode(told, b"", preference))
    return {
        metric.name: metric
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


# ---------------------------------------------------------------------- instruments


def test_a_counter(seen: Capture, meter: Any) -> None:
    counter = meter.create_counter("Orders", unit="{order}", description="what it is")
    assert isinstance(counter, api.Counter)
    counter.add(1)
    counter.add(2, {"shop": "north"})
    counter.add(3.5, {"shop": "north"})
    points = collected(seen)
    assert values(points, "orders") == [({}, 1), ({"shop": "north"}, 5.5)]  # the SDK sends names in lower case
    [point, _] = points
    assert (point.unit, point.description, point.kind) == ("{order}", "what it is", "counter")
    scope = point.scope
    assert (scope.name, scope.version, scope.schema_url) == ("a.library", "1.2", "https://schema")
    assert scope.attributes == {"who": "me"}
    counter.add(4)
    [point] = collected(seen)
    assert (point.value, point.total) == (4, 5)


def test_zero_is_news(seen: Capture, meter: Any) -> None:
    meter.create_counter("errors").add(0)
    assert values(collected(seen), "errors") == [({}, 0)]
    assert collected(seen) == []


def test_an_up_down_counter_is_told_as_it_is_now(seen: Capture, meter: Any) -> None:
    active = meter.create_up_down_counter("active")
    assert isinstance(active, api.UpDownCounter)
    active.add(3)
    active.add(-1)
    [first] = collected(seen)
    [second] = collected(seen)  # nobody changed it: it still is
    assert (first.value, second.value) == (2, 2)
    active.add(-5)
    [third] = collected(seen)
    assert third.value == -3
    metric = otlp([third], DELTA)["active"]
    [told] = metric.sum.data_points
    assert (told.as_int, metric.sum.is_monotonic, metric.sum.aggregation_temporality) == (-3, False, CUMULATIVE)
    assert told.start_time_unix_nano == third.since_ns < first.time_ns
    [line] = Shape("n").lines([third])
    assert '"active":-3' in line
    active.add(3)
    assert values(collected(seen), "active") == [({}, 0)]
    assert collected(seen) == []  # zero is told once


def test_a_gauge_stays(seen: Capture, meter: Any) -> None:
    gauge = meter.create_gauge("depth")
    assert isinstance(gauge, api._Gauge)
    gauge.set(5)
    gauge.set(-2.5, {"q": "a"})
    assert values(collected(seen), "depth") == values(collected(seen), "depth") == [({}, 5), ({"q": "a"}, -2.5)]


def test_a_histogram_with_explicit_buckets(seen: Capture, meter: Any) -> None:
    histogram = meter.create_histogram("latency", unit="ms", explicit_bucket_boundaries_advisory=[1, 10, 100])
    assert isinstance(histogram, api.Histogram)
    for value in (0, 1, 1.5, 10, 99, 1000):
        histogram.record(value)
    [point] = collected(seen)
    assert (point.bounds, point.bounded) == ((1.0, 10.0, 100.0), [2, 2, 1, 1])
    assert sum(point.buckets.values()) + point.zero == point.count == 6  # EMF lives on these
    [told] = otlp([point])["latency"].histogram.data_points
    assert list(told.explicit_bounds) == [1, 10, 100]
    assert list(told.bucket_counts) == [2, 2, 1, 1]
    assert (told.count, told.sum, told.min, told.max) == (6, 1111.5, 0, 1000)


def test_the_buckets_of_a_histogram_add_up(seen: Capture, meter: Any) -> None:
    histogram = meter.create_histogram("latency", explicit_bucket_boundaries_advisory=[1, 10])
    totals = Totals()
    histogram.record(0.5)
    totals.add(collected(seen))
    for _ in range(2 * metrics.PLAIN):  # more than are kept as they are
        histogram.record(5)
    [point] = totals.add(collected(seen))
    assert (point.bounded, point.count) == ([1, 2 * metrics.PLAIN, 0], 2 * metrics.PLAIN + 1)


@pytest.mark.parametrize(
    ("setting", "advisory", "bounds"),
    [
        (None, None, metrics.BOUNDARIES),
        (None, [], ()),
        (None, [1, 2], (1.0, 2.0)),
        ("explicit_bucket_histogram", None, metrics.BOUNDARIES),
        ("base2_exponential_bucket_histogram", None, None),
        ("base2_exponential_bucket_histogram", [1, 2], None),  # as in the SDK: who asks for it gets it
    ],
)
def test_which_buckets(monkeypatch: pytest.MonkeyPatch, setting: Any, advisory: Any, bounds: Any) -> None:
    import obsv

    if setting:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", setting)
    with capture(patch=False) as seen:
        made = MeterProvider()
        made.get_meter("x").create_histogram("theirs", explicit_bucket_boundaries_advisory=advisory).record(3)
        metrics.METER.instruments.pop("test.ours", None)
        obsv.histogram("test.ours").record(3)
        found = {point.name: point.bounds for point in seen.points}
        made.shutdown()
    metrics.METER.boundaries = None
    del metrics.METER.instruments["test.ours"]
    ours = metrics.BOUNDARIES if setting == "explicit_bucket_histogram" else None
    assert found == {"theirs": bounds, "test.ours": ours}


@pytest.mark.parametrize("advisory", [[2, 1], [1, 1], [float("inf")], ["a"], 5, "ab", [None]])
def test_boundaries_that_are_none(seen: Capture, meter: Any, capsys: Any, advisory: Any) -> None:
    meter.create_histogram("h", explicit_bucket_boundaries_advisory=advisory).record(1)
    [point] = collected(seen)
    assert point.bounds == metrics.BOUNDARIES
    assert capsys.readouterr().err.count("must be a sequence of rising finite numbers") == 1


# ---------------------------------------------------------------------- observables


def test_observables(seen: Capture, meter: Any) -> None:
    state = {"value": 10}

    def ask(options: api.CallbackOptions) -> Iterator[Observation]:
        assert options.timeout_millis > 0
        yield Observation(state["value"], {"cpu": "0"})
        yield Observation(1, {"cpu": "1"})

    assert isinstance(meter.create_observable_counter("sum", [ask]), api.ObservableCounter)
    assert isinstance(meter.create_observable_up_down_counter("level", [ask]), api.ObservableUpDownCounter)
    assert isinstance(meter.create_observable_gauge("gauge", [ask]), api.ObservableGauge)
    zero, one = {"cpu": "0"}, {"cpu": "1"}
    points = collected(seen)
    for name in ("sum", "level", "gauge"):
        assert values(points, name) == [(zero, 10), (one, 1)]
    state["value"] = 25
    points = collected(seen)
    assert values(points, "sum") == [(zero, 15), (one, 0)]  # what was added in the interval
    assert values(points, "level") == values(points, "gauge") == [(zero, 25), (one, 1)]
    told = otlp(points)
    assert [point.as_int for point in told["sum"].sum.data_points] == [25, 1]
    assert told["sum"].sum.is_monotonic
    assert not told["level"].sum.is_monotonic


def test_what_is_no_longer_observed_is_no_longer_told(seen: Capture, meter: Any) -> None:
    state = [Observation(1)]
    meter.create_observable_gauge("gauge", [lambda options: state])
    meter.create_observable_up_down_counter("level", [lambda options: state])
    assert len(collected(seen)) == 2
    state.clear()
    assert collected(seen) == []


def test_two_callbacks_of_one_sum_add_up_as_in_the_sdk(seen: Capture, meter: Any) -> None:
    meter.create_observable_counter("sum", [lambda options: [Observation(2)], lambda options: [Observation(3)]])
    assert values(collected(seen), "sum") == [({}, 5)]
    assert values(collected(seen), "sum") == [({}, 0)]


def test_a_generator_as_callback(seen: Capture, meter: Any) -> None:
    def generator() -> Any:
        options = yield
        for number in range(2):
            assert options.timeout_millis > 0
            options = yield [Observation(number)]

    meter.create_observable_gauge("gauge", [generator()])
    assert [values(collected(seen), "gauge") for _ in range(3)] == [[({}, 0)], [({}, 1)], []]


# ---------------------------------------------------------------------- attributes


def test_attributes_are_told_apart_by_type(seen: Capture, meter: Any) -> None:
    counter = meter.create_counter("c")
    different = [1, True, 1.0, "1", (1,), (True,), {"a": 1}, {"a": True}, None, b"1"]
    for _ in range(2):
        for value in different:
            counter.add(1, {"a": value})
    found = values(collected(seen), "c")
    assert [(repr(attributes["a"]), value) for attributes, value in found] == [(repr(value), 2) for value in different]


def test_the_order_of_attributes_does_not_matter(seen: Capture, meter: Any) -> None:
    counter = meter.create_counter("c")
    counter.add(1, {"a": 1, "b": {"x": 1, "y": 2}})
    counter.add(1, {"b": {"y": 2, "x": 1}, "a": 1})
    assert len(values(collected(seen), "c")) == 1


class Unreadable:
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


@pytest.mark.parametrize("attributes", [[("a", 1)], "text", 5, object()])
def test_attributes_that_are_no_mapping(seen: Capture, meter: Any, capsys: Any, attributes: Any) -> None:
    counter = meter.create_counter("c")
    counter.add(1, attributes)
    counter.add(1, attributes)
    assert values(collected(seen), "c") == [({}, 2)]
    assert capsys.readouterr().err.count("must be a mapping") == 1


def test_a_value_that_cannot_be_read_loses_only_itself(seen: Capture, meter: Any) -> None:
    meter.create_counter("c").add(1, {"a": Unreadable(), "b": "x"})
    [(attributes, value)] = values(collected(seen), "c")
    assert (attributes["b"], value) == ("x", 1)
    assert "cannot be read" in attributes["a"]


def test_the_cardinality_limit(seen: Capture, meter: Any) -> None:
    counter = meter.create_counter("c")
    limit, metrics.METER.max_series = metrics.METER.max_series, 3
    try:
        for number in range(10):
            counter.add(1, {"user": str(number)})
        counter.add(1, {"user": "0"})
    finally:
        metrics.METER.max_series = limit
    found = values(collected(seen), "c")
    assert found == [
        ({"user": "0"}, 2),
        ({"user": "1"}, 1),
        ({"user": "2"}, 1),
        ({"otel.metric.overflow": True}, 7),
    ]


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "1", None, object(), 10**400, [1]])
def test_values_that_are_no_numbers(seen: Capture, meter: Any, capsys: Any, value: Any) -> None:
    for _ in range(2):
        meter.create_counter("c").add(value)
        meter.create_up_down_counter("u").add(value)
        meter.create_histogram("h").record(value)
        meter.create_gauge("g").set(value)
    assert collected(seen) == []
    assert capsys.readouterr().err.count("cannot take") == 4


def test_what_must_not_be_negative(seen: Capture, meter: Any, capsys: Any) -> None:
    meter.create_counter("c").add(-1)
    meter.create_histogram("h").record(-0.5)
    assert collected(seen) == []
    assert capsys.readouterr().err.count("not negative") == 2


@pytest.mark.parametrize("name", ["", "1x", "a b", "é", "x" * 256, None, 5, b"x"])
def test_names_that_are_not_allowed(seen: Capture, meter: Any, capsys: Any, name: Any) -> None:
    counter = meter.create_counter(name)
    assert isinstance(counter, api.Counter)
    counter.add(1)
    assert collected(seen) == []
    assert "records nothing" in capsys.readouterr().err


def test_a_unit_that_is_not_allowed(seen: Capture, meter: Any, capsys: Any) -> None:
    meter.create_gauge("g", unit="x" * 64).set(1)
    assert collected(seen) == []
    assert "records nothing" in capsys.readouterr().err


def test_the_same_instrument(meter: Any) -> None:
    first = meter.create_counter("c", "s", "text")
    assert meter.create_counter("C", "s", "text") is first
    assert meter.create_counter("c", "ms", "text") is not first
    assert meter.create_up_down_counter("c", "s", "text") is not first


def test_meters(provider: MeterProvider, caplog: Any) -> None:
    first = provider.get_meter("x", "1", None, {"a": 1})
    assert provider.get_meter("x", "1", None, {"a": 1}) is first
    assert provider.get_meter("x", "1", None, {"a": True}) is not first
    assert provider.get_meter("x", "2") is not first
    assert isinstance(provider.get_meter(""), api.NoOpMeter)
    assert "without a name" in caplog.text


def test_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", " True ")
    assert isinstance(MeterProvider().get_meter("x"), api.NoOpMeter)


def test_shutdown_sends_and_ends(seen: Capture, provider: MeterProvider, meter: Any, caplog: Any) -> None:
    counter = meter.create_counter("c")
    counter.add(1)
    asked: list[int] = []
    meter.create_observable_gauge("g", [lambda options: asked.append(1) or []])
    provider.shutdown()
    assert values(collected(seen), "c") == [({}, 1)]
    before = len(asked)
    counter.add(1)
    assert collected(seen) == []
    assert len(asked) == before == 1
    assert isinstance(provider.get_meter("y"), api.NoOpMeter)
    provider.shutdown()
    assert "only be called once" in caplog.text


@pytest.mark.parametrize("timeout", [1000, 0, -5, None, "x", float("nan")])
def test_flush_takes_any_timeout(seen: Capture, provider: MeterProvider, timeout: Any) -> None:
    assert provider.force_flush(timeout) in (True, False)


def test_threads_lose_nothing(seen: Capture, meter: Any) -> None:
    counter, level = meter.create_counter("c"), meter.create_up_down_counter("u")
    histogram = meter.create_histogram("h")

    def work(which: int) -> None:
        for number in range(2000):
            counter.add(1, {"n": number % 7, "t": which % 2})
            level.add(1 if number % 2 else -1)
            histogram.record(number)

    threads = [threading.Thread(target=work, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    points = collected(seen)
    assert sum(value for _, value in values(points, "c")) == 8000
    assert values(points, "u") == [({}, 0)]
    [point] = [point for point in points if point.name == "h"]
    assert (point.count, sum(point.bounded or ())) == (8000, 8000)


# ---------------------------------------------------------------------- OTLP and EMF


@pytest.mark.parametrize(
    ("preference", "kinds"),
    [
        (CUMULATIVE, {"c": CUMULATIVE, "h": CUMULATIVE, "u": CUMULATIVE, "oc": CUMULATIVE, "ou": CUMULATIVE}),
        (DELTA, {"c": DELTA, "h": DELTA, "u": CUMULATIVE, "oc": DELTA, "ou": CUMULATIVE}),
        (LOW_MEMORY, {"c": DELTA, "h": DELTA, "u": CUMULATIVE, "oc": CUMULATIVE, "ou": CUMULATIVE}),
    ],
)
def test_temporality(seen: Capture, meter: Any, preference: int, kinds: dict[str, int]) -> None:
    state = [5]
    counter, histogram = meter.create_counter("c"), meter.create_histogram("h")
    level = meter.create_up_down_counter("u")
    meter.create_observable_counter("oc", [lambda options: [Observation(state[0])]])
    meter.create_observable_up_down_counter("ou", [lambda options: [Observation(state[0])]])
    totals = Totals(preference)
    for step in (5, 7):
        state[0] = {5: 5, 7: 12}[step]
        counter.add(step)
        histogram.record(step)
        level.add(step)
        points = collected(seen)
        told = points if preference == DELTA else totals.add(points)
    found = otlp(told, preference if preference == DELTA else CUMULATIVE) if preference != LOW_MEMORY else _parse(told)
    for name, temporality in kinds.items():
        metric = found[name]
        data = metric.histogram if name == "h" else metric.sum
        assert data.aggregation_temporality == temporality, name
        [point] = data.data_points
        assert (point.sum if name == "h" else point.as_int) == (12 if temporality == CUMULATIVE else 7), name


def _parse(points: list[MetricPoint]) -> dict[str, Any]:
    request = ExportMetricsServiceRequest.FromString(encode(points, b"", LOW_MEMORY))
    return {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}


def test_units_and_attributes_are_sent_as_they_are(seen: Capture, meter: Any) -> None:
    meter.create_counter("c", unit="Bytes").add(1, {"a": 1, "b": (1, 2), "c": True})
    metric = otlp(collected(seen))["c"]
    assert metric.unit == "Bytes"
    assert pairs(metric.sum.data_points[0].attributes) == [("a", 1), ("b", (1, 2)), ("c", True)]


def test_emf(seen: Capture, meter: Any) -> None:
    meter.create_counter("c", unit="By").add(2, {"a": "x"})
    meter.create_observable_counter("oc", [lambda options: [Observation(9, {"a": "x"})]])
    meter.create_histogram("h", unit="s").record(1.5, {"a": "x"})
    [line] = Shape("n").lines(collected(seen))
    for part in ('{"Name":"c","Unit":"Bytes"}', '"c":2', '"oc":9', '"h":[1.5]', '"Unit":"Seconds"'):
        assert part in line


# ---------------------------------------------------------------------- the global provider


def test_init_installs_it_and_proxies_come_alive() -> None:
    code = """
from opentelemetry import metrics
early = metrics.get_meter("early").create_counter("early")
early.add(1)
import sys, obsv
obsv.init("x", traces="none", metrics="memory", logs="none")
early.add(2)
metrics.get_meter("late").create_counter("late").add(3)
metrics.get_meter("late").create_observable_gauge("seen", [lambda options: [metrics.Observation(4)]])
from obsv import runtime
obsv.flush()
print(type(metrics.get_meter_provider()).__module__)
print(sorted((point.name, point.value) for point in runtime.running().pipeline.lanes[0].sink.points))
print("opentelemetry.sdk" in sys.modules)
from opentelemetry.sdk.metrics import Counter, MeterProvider
print(isinstance(metrics.get_meter_provider(), MeterProvider), isinstance(early._real_instrument, Counter))
"""
    done = run(code)
    assert done.stdout.splitlines() == [
        "obsv.otel.metrics",
        "[('early', 2), ('late', 3), ('seen', 4)]",
        "False",
        "True True",
    ], done.stderr


def test_isinstance_holds_whatever_is_imported_first() -> None:
    code = """
import obsv
obsv.init("x", traces="none", metrics="none", logs="none")
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry import metrics
print(isinstance(metrics.get_meter_provider(), MeterProvider))
"""
    done = run(code)
    assert done.stdout == "True\n", done.stderr


def test_a_provider_that_was_set_before_stays() -> None:
    code = """
from opentelemetry import metrics
metrics.set_meter_provider(metrics.NoOpMeterProvider())
import obsv
obsv.init("x", traces="none", metrics="none", logs="none")
print(type(metrics.get_meter_provider()).__name__)
"""
    done = run(code)
    assert done.stdout == "NoOpMeterProvider\n"
    assert done.stderr.count("an OpenTelemetry meter provider is set already") == 1


def test_what_has_no_news_is_told_again(seen: Capture, meter: Any) -> None:
    totals = Totals()
    counter, histogram = meter.create_counter("c"), meter.create_histogram("h")
    other = meter.create_counter("other")
    counter.add(2, {"a": "x"})
    histogram.record(3)
    totals.add(collected(seen))
    other.add(1)
    points = collected(seen)
    assert [point.name for point in points] == ["other"]
    told = {point.name: point for point in totals.add(points)}
    assert set(told) == {"c", "h", "other"}
    assert (told["c"].value, told["h"].count, sum(told["h"].bounded or ())) == (2, 1, 1)
    assert told["c"].time_ns == told["h"].time_ns == told["other"].time_ns
    counter.add(1, {"a": "x"})
    assert {point.name: point.value for point in totals.add(collected(seen))}["c"] == 3


def test_a_lost_batch_does_not_spoil_the_sum(seen: Capture, meter: Any) -> None:
    totals, counter = Totals(), meter.create_counter("c")
    counter.add(1)
    collected(seen)  # never sent
    counter.add(2)
    [told] = totals.add(collected(seen))
    assert told.value == 3
    assert told.start_ns == told.since_ns < told.time_ns


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_may_make_instruments_whoever_did_so_in_the_parent(seen: Capture, meter: Any) -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with otel_metrics._making:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    child = os.fork()
    if child == 0:
        made: list[int] = []
        maker = threading.Thread(target=lambda: made.append(meter.create_counter("c").add(1)), daemon=True)
        maker.start()
        maker.join(20)
        os._exit(0 if made else 1)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
