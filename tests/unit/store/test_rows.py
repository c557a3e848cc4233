"""Series: merging and percentiles."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from obsv.store.rows import Series, log_row, span_row
from telemetry import Histogram, Recorder, log, points

values = st.lists(
    st.floats(-1e12, 1e12, allow_nan=False).filter(lambda v: v == 0 or abs(v) > 1e-12), min_size=1, max_size=200
)


def series_of(numbers: list[float]) -> Series:
    [point] = points(lambda make: [make(Histogram, "h", "None").record(number) for number in numbers] and None)
    series = Series("shop", "h", "histogram", "None", {})
    series.count, series.sum, series.min, series.max, series.zero = (
        point.count, point.sum, point.min, point.max, point.zero,
    )  # fmt: skip
    series.buckets, series.negative = dict(point.buckets), dict(point.negative)
    return series


@given(values, st.floats(0, 1))
def test_a_percentile_is_within_half_a_bucket_of_the_nearest_rank(numbers: list[float], share: float) -> None:
    exact = sorted(numbers)[max(1, math.ceil(share * len(numbers))) - 1]
    estimate = series_of(numbers).percentile(share)
    assert estimate is not None
    assert abs(estimate - exact) <= abs(exact) * 0.0055


@given(values, values)
def test_merged_series_know_all_values(some: list[float], others: list[float]) -> None:
    merged, whole = series_of(some), series_of(some + others)
    merged.merge(series_of(others))
    assert (merged.count, merged.min, merged.max, merged.zero) == (whole.count, whole.min, whole.max, whole.zero)
    assert merged.buckets == whole.buckets
    assert merged.negative == whole.negative
    assert merged.percentile(0.5) == whole.percentile(0.5)


def test_without_values_there_is_no_percentile() -> None:
    assert Series("shop", "h", "histogram", "None", {}).percentile(0.5) is None


def test_the_largest_bucket_does_not_overflow() -> None:
    series = Series("shop", "h", "histogram", "None", {})
    series.buckets = {1024 * 64: 1}
    assert series.percentile(1.0) == math.inf
    series.max = 1e308
    assert series.percentile(1.0) == 1e308


def test_rows_of_records_that_were_not_stored() -> None:
    recorder = Recorder()
    root = recorder.start("GET /", kind=1, route="/")
    child = recorder.start("charge", root)
    try:
        raise ValueError("declined")
    except ValueError as error:
        child.fail(error)
        record = log("failed", child, 17, "ERROR", order=7)
        record.error = child.event_list[0].error if child.event_list else None
    child.end()
    root.end()
    [spans] = recorder.traces()
    rows = [span_row(span, "shop", 42) for span in spans]
    assert [(row.name, row.parent_id, row.is_error) for row in rows] == [
        ("charge", root.span_id, True),
        ("GET /", None, False),
    ]
    assert rows[0].events[0].attributes["exception.type"] == "ValueError"
    assert rows[0].duration_ns >= 0
    assert rows[1].attributes == {"route": "/"}
    line = log_row(record, "shop", 42)
    assert (line.body, line.fields, line.span_id, line.trace_id) == (
        "failed",
        {"order": 7},
        child.span_id,
        root.trace_id,
    )
    assert line.error is not None
    assert line.error["message"] == "declined"
