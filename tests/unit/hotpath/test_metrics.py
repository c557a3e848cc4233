"""Instruments: cells and dimensions, bad values, what a collection returns, buckets and threads."""

from __future__ import annotations

import decimal
import enum
import fractions
import math
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath import faults, metrics
from obsv.hotpath.metrics import PLAIN, SCALE, Counter, Gauge, Histogram, Meter, bucket, collect, instrument

if TYPE_CHECKING:
    from obsv.hotpath.records import MetricPoint


@pytest.fixture
def meter() -> Meter:
    meter = Meter()
    meter.enabled = True
    return meter


def made(meter: Meter, kind: Any, name: str = "m", unit: str = "Count") -> Any:
    meter.instruments[name] = found = kind(name, unit, "what it is", None, meter)
    return found


def one(meter: Meter) -> MetricPoint:
    [point] = collect(10**18, meter)
    return point


# ---------------------------------------------------------------------- cells and dimensions


def test_a_counter(meter: Meter) -> None:
    counter = made(meter, Counter)
    counter.add()
    counter.add(2, shop="north")
    counter.add(3.5, shop="north")
    points = collect(10**18, meter)
    assert [(point.attributes, point.value) for point in points] == [({}, 1), ({"shop": "north"}, 5.5)]
    point = points[0]
    assert (point.name, point.unit, point.description, point.kind) == ("m", "Count", "what it is", "counter")
    assert point.time_ns == 10**18
    assert point.start_ns > 10**18


def test_a_collection_tells_only_what_is_new(meter: Meter) -> None:
    counter, gauge, histogram = made(meter, Counter, "c"), made(meter, Gauge, "g"), made(meter, Histogram, "h")
    counter.add(2)
    gauge.set(1)
    histogram.record(1)
    assert len(collect(100, meter)) == 3
    assert collect(200, meter) == []
    counter.add(3)
    histogram.record(5)
    first, second = collect(300, meter)
    assert (first.value, first.start_ns, first.time_ns) == (3, 200, 300)
    assert (second.count, second.sum, second.values) == (1, 5, [5])


def test_a_gauge_keeps_the_last_value(meter: Meter) -> None:
    gauge = made(meter, Gauge)
    gauge.set(5)
    gauge.set(-2.5)
    assert one(meter).value == -2.5


def test_the_order_of_dimensions_does_not_matter(meter: Meter) -> None:
    counter = made(meter, Counter)
    counter.add(1, a="x", b="y")
    counter.add(1, b="y", a="x")
    point = one(meter)
    assert (point.value, point.attributes) == (2, {"a": "x", "b": "y"})


def test_a_bound_cell_is_the_same_series(meter: Meter) -> None:
    counter = made(meter, Counter)
    cell = counter.bind(a="x")
    cell.add(2)
    counter.add(1, a="x")
    assert one(meter).value == 3


@pytest.mark.parametrize("value", [None, "5", [], float("nan"), float("inf"), 10**400, object()])
def test_a_cell_that_a_program_keeps_never_raises(meter: Meter, capsys: pytest.CaptureFixture[str], value: Any) -> None:
    faults.reset()
    for kind, record in ((Counter, "add"), (Gauge, "set"), (Histogram, "record")):
        cell = kind(kind.__name__, "Count", "", None, meter).bind(a="x")
        for _ in range(3):
            getattr(cell, record)(value)
        getattr(cell, record)(True)
    assert faults.counts["metric value"] == 9
    assert capsys.readouterr().err.count("\n") == 3  # once a metric
    faults.reset()


def test_a_counter_that_a_program_keeps_never_falls(meter: Meter) -> None:
    faults.reset()
    cell = Counter("c", "Count", "", None, meter).bind(a="x")
    cell.add(-1)
    cell.add(2)
    assert (cell.value, faults.counts["metric value"]) == (2, 1)
    faults.reset()


class Unreadable:
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


class Unhashable(Unreadable):
    __hash__ = None  # type: ignore[assignment]


class Color(enum.Enum):
    RED = 1


class Method(enum.StrEnum):
    GET = "GET"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("x", "x"),
        (True, True),
        (5, 5),
        (1.5, 1.5),
        (float("nan"), "nan"),
        (Method.GET, "GET"),
        (Color.RED, "Color.RED"),
        ("x" * 5000, "x" * 1024),
        ([1, 2], "[1, 2]"),
        ({"a": 1}, "{'a': 1}"),
        (b"ab", "b'ab'"),
        (decimal.Decimal("1.50"), "1.50"),
        (Unreadable(), "<Unreadable: its text cannot be read>"),
        (Unhashable(), "<Unhashable: its text cannot be read>"),
    ],
)
def test_values_of_dimensions(meter: Meter, value: Any, kept: Any) -> None:
    counter = made(meter, Counter)
    counter.add(1, d=value)
    counter.add(1, d=value)
    point = one(meter)
    assert point.attributes == {"d": kept}
    assert type(point.attributes["d"]) is type(kept)
    assert point.value == 2


def test_none_leaves_a_dimension_out(meter: Meter) -> None:
    counter = made(meter, Counter)
    counter.add(1, a=None)
    counter.add(1)
    point = one(meter)
    assert (point.attributes, point.value) == ({}, 2)


def test_dimensions_may_be_called_anything(meter: Meter) -> None:
    histogram = made(meter, Histogram, "h")
    with histogram.time(self=1, value=2, name="x"):
        pass
    made(meter, Counter, "c").add(1, self=1, name="x")
    assert [point.attributes for point in collect(1, meter)] == [
        {"self": 1, "value": 2, "name": "x"},
        {"self": 1, "name": "x"},
    ]


def test_an_object_used_as_a_dimension_is_not_kept_alive(meter: Meter) -> None:
    import gc
    import weakref

    class Request:
        def __str__(self) -> str:
            return "request"

    counter = made(meter, Counter)
    request = Request()
    gone = weakref.ref(request)
    counter.add(1, request=request)
    del request
    gc.collect()
    assert gone() is None
    counter.add(1, request=Request())
    assert one(meter).value == 2


def test_too_many_series_are_counted_together(meter: Meter, capsys: pytest.CaptureFixture[str]) -> None:
    meter.max_series = 3
    counter = made(meter, Counter, "test.overflow")
    for number in range(10):
        counter.add(1, user=number)
    points = collect(1, meter)
    assert [point.value for point in points] == [1, 1, 1, 7]
    assert points[3].attributes == {"otel.metric.overflow": True}
    assert "more than 3 series" in capsys.readouterr().err
    counter.add(1, user=0)
    assert one(meter).attributes == {"user": 0}


# ---------------------------------------------------------------------- values


@pytest.mark.parametrize(
    "value",
    ["5", None, [], float("nan"), float("inf"), float("-inf"), 1j, b"1", Unreadable(), 10**400, -(10**400), "inf"],
)
@pytest.mark.parametrize("kind", [Counter, Gauge, Histogram])
def test_what_is_no_finite_number_is_left_out_and_counted(meter: Meter, kind: Any, value: Any) -> None:
    target = made(meter, kind)
    before = faults.counts.get("metric value", 0)
    record = getattr(target, {Counter: "add", Gauge: "set", Histogram: "record"}[kind])
    record(value)
    assert faults.counts["metric value"] == before + 1
    assert collect(1, meter) == []
    record(1)
    assert len(collect(1, meter)) == 1


def test_a_counter_takes_nothing_negative(meter: Meter, capsys: pytest.CaptureFixture[str]) -> None:
    counter = made(meter, Counter, "test.negative")
    counter.add(-1)
    counter.add(-1)
    assert collect(1, meter) == []
    assert capsys.readouterr().err.count("\n") <= 1


@pytest.mark.parametrize(
    ("value", "kept"), [(True, 1), (decimal.Decimal("1.5"), 1.5), (fractions.Fraction(1, 2), 0.5), (2**80, 2**80)]
)
@pytest.mark.parametrize("kind", [Counter, Gauge])
def test_numbers_of_other_types(meter: Meter, kind: Any, value: Any, kept: Any) -> None:
    target = made(meter, kind)
    (target.add if kind is Counter else target.set)(value)
    point = one(meter)
    assert (point.value, type(point.value)) == (kept, type(kept))


def test_before_init_nothing_is_kept() -> None:
    meter = Meter()
    histogram = made(meter, Histogram)
    histogram.record("no number", a=[])
    with histogram.time():
        pass
    made(meter, Counter, "c").add(1)
    made(meter, Gauge, "g").set(1)
    assert collect(1, meter) == []
    assert histogram.cells == {}


# ---------------------------------------------------------------------- histograms


def test_up_to_a_hundred_values_stay_as_they_are(meter: Meter) -> None:
    histogram = made(meter, Histogram)
    given = [float(i) for i in range(PLAIN)]
    for value in given:
        histogram.record(value)
    point = one(meter)
    assert point.values == given
    assert (point.count, point.sum, point.min, point.max) == (PLAIN, sum(given), 0, 99)
    assert point.zero == 1
    assert sum(point.buckets.values()) == PLAIN - 1
    for value in [*given, 1.0]:
        histogram.record(value)
    point = one(meter)
    assert point.values is None
    assert point.count == PLAIN + 1


@given(st.lists(st.floats(-1e300, 1e300) | st.integers(-(2**70), 2**70), min_size=1, max_size=300))
def test_a_histogram_counts_every_value_once(values: list[float]) -> None:
    meter = Meter()
    meter.enabled = True
    histogram = made(meter, Histogram)
    for value in values:
        histogram.record(value)
    point = one(meter)
    assert point.count == len(values)
    assert point.count == point.zero + sum(point.buckets.values()) + sum(point.negative.values())
    assert point.zero == values.count(0)
    assert sum(point.negative.values()) == sum(value < 0 for value in values)
    assert (point.min, point.max) == (min(values), max(values))
    assert math.isclose(point.sum, math.fsum(values), rel_tol=1e-9, abs_tol=1e-9 * max(map(abs, values)) * len(values))


@given(st.floats(min_value=5e-324, allow_infinity=False))
def test_bounds_of_buckets_hold(value: float) -> None:
    index = bucket(value)
    exact = math.log2(value) * SCALE if value > 1e-300 else math.log2(value * 2.0**200) * SCALE - 200 * SCALE
    assert index - 1e-9 * abs(index) <= exact <= index + 1 + 1e-9 * abs(index) + 1e-9


@pytest.mark.parametrize("exponent", range(-1074, 1024, 7))
def test_a_power_of_two_closes_its_bucket(exponent: int) -> None:
    assert bucket(2.0**exponent) == exponent * SCALE - 1
    if exponent > -1022:
        assert bucket(math.nextafter(2.0**exponent, math.inf)) == exponent * SCALE


@given(st.floats(1e-6, 1e9))
def test_a_value_is_off_by_little(value: float) -> None:
    index = bucket(value)
    middle = 2.0 ** ((index + 0.5) / SCALE)
    assert abs(middle - value) / value < 0.0055


def test_time_uses_the_unit(meter: Meter) -> None:
    for unit, most in (("Seconds", 5.0), ("Milliseconds", 5e3), ("Microseconds", 5e6), ("None", 5e3)):
        histogram = made(meter, Histogram, unit, unit)
        with histogram.time(a="b"):
            threading.Event().wait(0.002)
        assert 0 < histogram.bind(a="b").raw[0] < most
    seconds, _, micro, _ = collect(1, meter)
    assert seconds.sum < micro.sum


def test_time_records_also_when_the_block_fails(meter: Meter) -> None:
    histogram = made(meter, Histogram)
    with pytest.raises(ValueError, match="x"), histogram.time():
        raise ValueError("x")
    assert one(meter).count == 1


# ---------------------------------------------------------------------- threads and processes


def test_threads_lose_no_update(meter: Meter) -> None:
    counter, histogram = made(meter, Counter, "c"), made(meter, Histogram, "h")
    points: list[MetricPoint] = []
    done = threading.Event()

    def work(number: int) -> None:
        for i in range(5000):
            counter.add(1, thread=number % 2)
            histogram.record(i, both="same")

    def read() -> None:
        while not done.is_set():
            points.extend(collect(1, meter))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    reader = threading.Thread(target=read)
    for thread in (*threads, reader):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    reader.join()
    points.extend(collect(1, meter))
    counted = [point.value for point in points if point.name == "c"]
    recorded = [point for point in points if point.name == "h"]
    assert sum(counted) == 20_000
    assert sum(point.count for point in recorded) == 20_000
    assert sum(point.sum for point in recorded) == 4 * sum(range(5000))
    assert all(point.values is None or len(point.values) == point.count for point in recorded)


def test_a_forked_child_begins_at_nothing() -> None:
    meter = metrics.METER
    enabled = meter.enabled
    meter.enabled = True
    counter, gauge = instrument(Counter, "test.fork.c", "Count", ""), instrument(Gauge, "test.fork.g", "None", "")
    histogram = instrument(Histogram, "test.fork.h", "None", "")
    try:
        for number in range(150):
            counter.add(1)
            gauge.set(number)
            histogram.record(number)
        meter.lock.acquire()  # another thread of the parent may be at it
        child = os.fork()
        if child == 0:
            failed = 1
            try:
                names = [point.name for point in collect(1) if point.name.startswith("test.fork")]
                counter.add(5)
                histogram.record(7)
                later = [(point.name, point.value, point.count) for point in collect(1)]
                failed = int(not (names == [] and later == [("test.fork.c", 5, 0), ("test.fork.h", 0, 1)]))
            finally:
                os._exit(failed)
        meter.lock.release()
        assert os.waitpid(child, 0)[1] == 0
        points = {point.name: point for point in collect(1)}
        assert points["test.fork.c"].value == 150
        assert points["test.fork.g"].value == 149
        assert points["test.fork.h"].count == 150
    finally:
        meter.enabled = enabled
        for name in ("test.fork.c", "test.fork.g", "test.fork.h"):
            del meter.instruments[name]


# ---------------------------------------------------------------------- the registry


def test_a_name_has_one_instrument(capsys: pytest.CaptureFixture[str]) -> None:
    names = ["test.registry", "5"]
    try:
        first = instrument(Counter, "test.registry", "Count", "")
        assert instrument(Counter, "test.registry", "Count", "") is first
        assert instrument(Counter, "test.registry", "Bytes", "") is first
        other = instrument(Gauge, "test.registry", "None", "")
        assert type(other) is Gauge
        other.set(1)
        err = capsys.readouterr().err
        assert "has the unit 'Count' already" in err
        assert "is a counter already" in err
        odd: Any = 5
        assert instrument(Counter, odd, odd, odd).name == "5"
    finally:
        for name in names:
            metrics.METER.instruments.pop(name, None)


def test_the_first_series_starts_the_collection(meter: Meter) -> None:
    started: list[int] = []
    meter.starter = lambda: started.append(1)
    counter = made(meter, Counter)
    assert started == []
    counter.add(1)
    counter.add(1, a=1)
    assert started == [1]
