"""Writes OTLP metrics. Interpreted: it runs once an interval in a sink's thread."""

from __future__ import annotations

import struct

from . import values
from .otlp import scope_bytes
from .wire import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .records import MetricPoint

DELTA, CUMULATIVE = 1, 2
"""opentelemetry/proto/metrics/v1/metrics.proto, AggregationTemporality."""

LOW_MEMORY = 3
"""What needs no memory (OTLP metrics exporter, "LowMemory"): delta, but for observable counters."""

PREFERENCES = {"delta": DELTA, "cumulative": CUMULATIVE, "lowmemory": LOW_MEMORY}
"""The words for it in OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE."""

SCALE = 6
"""The scale of :mod:`obsv.hotpath.metrics`' buckets."""

MAX_BUCKETS = 160
"""Buckets a side; a wider range is told at a coarser scale (OpenTelemetry SDK, "Base2 Exponential Bucket Histogram
Aggregation")."""

UNITS = {
    "None": "1",
    "Count": "1",
    "Percent": "%",
    "Seconds": "s",
    "Milliseconds": "ms",
    "Microseconds": "us",
    "Bytes": "By",
    "Kilobytes": "kBy",
    "Megabytes": "MBy",
    "Gigabytes": "GBy",
    "Terabytes": "TBy",
    "Bits": "bit",
    "Kilobits": "kbit",
    "Megabits": "Mbit",
    "Gigabits": "Gbit",
    "Terabits": "Tbit",
    "Bytes/Second": "By/s",
    "Kilobytes/Second": "kBy/s",
    "Megabytes/Second": "MBy/s",
    "Gigabytes/Second": "GBy/s",
    "Terabytes/Second": "TBy/s",
    "Bits/Second": "bit/s",
    "Kilobits/Second": "kbit/s",
    "Megabits/Second": "Mbit/s",
    "Gigabits/Second": "Gbit/s",
    "Terabits/Second": "Tbit/s",
    "Count/Second": "1/s",
}
"""CloudWatch's words for units in UCUM, which OpenTelemetry uses."""


def temporality_of(point: MetricPoint, preference: int) -> int:
    """Return how a point is to be told: ``DELTA`` or ``CUMULATIVE``.

    Up-down counters are always cumulative (OTLP metrics exporter specification, "Additional Configuration").
    """
    if point.kind == "up_down_counter":
        return CUMULATIVE
    if preference == LOW_MEMORY:
        return CUMULATIVE if point.kind == "counter" and point.observed else DELTA
    return preference


def metrics(points: Iterable[MetricPoint], resource: bytes, preference: int = DELTA) -> bytes:
    """Return an ``ExportMetricsServiceRequest``.

    Args:
        points: They have the temporality already that the preference means for them.
        resource: The encoded resource.
        preference: ``DELTA``, ``CUMULATIVE`` or ``LOW_MEMORY``.
    """
    grouped: dict[Any, dict[Any, list[MetricPoint]]] = {}
    for point in points:
        by_name = grouped.setdefault(point.scope, {})
        key = (point.name, point.unit, point.kind, point.description, point.observed, point.bounds is None)
        by_name.setdefault(key, []).append(point)
    out = Writer()
    begin = out.open(0x0A)
    out.raw(resource)
    for scope, by_name in grouped.items():
        inner = out.open(0x12)
        out.raw(scope_bytes(scope))
        for group in by_name.values():
            _metric(out, group, temporality_of(group[0], preference))
        if scope.schema_url:
            out.text(0x1A, scope.schema_url)
        out.close(inner)
    out.close(begin)
    return out.getvalue()


def _metric(out: Writer, group: list[MetricPoint], temporality: int) -> None:
    first = group[0]
    begin = out.open(0x12)
    out.text(0x0A, str(first.name))
    if first.description:
        out.text(0x12, str(first.description))
    out.text(0x1A, str(first.unit) if first.foreign else UNITS.get(first.unit, str(first.unit)))
    if first.kind == "gauge":
        inner = out.open(0x2A)
        for point in group:
            _number(out, point)
    elif first.kind == "counter" or first.kind == "up_down_counter":
        inner = out.open(0x3A)
        for point in group:
            _number(out, point)
        out.number(0x10, temporality)
        if first.kind == "counter":
            out.number(0x18, 1)
    elif first.bounds is not None:
        inner = out.open(0x4A)
        for point in group:
            _explicit(out, point)
        out.number(0x10, temporality)
    else:
        inner = out.open(0x52)
        for point in group:
            _exponential(out, point)
        out.number(0x10, temporality)
    out.close(inner)
    out.close(begin)


def _number(out: Writer, point: MetricPoint) -> None:
    begin = out.open(0x0A)
    out.fixed64(0x11, point.since_ns if point.kind == "up_down_counter" else point.start_ns)
    out.fixed64(0x19, point.time_ns)
    value = point.value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        out.fixed64(0x31, value & 0xFFFFFFFFFFFFFFFF)
    else:
        out.float64(0x21, _double(value))
    for key, item in point.attributes.items():
        out.attribute(0x3A, key, values.clean(item))
    out.close(begin)


def _explicit(out: Writer, point: MetricPoint) -> None:
    bounds, counts = point.bounds or (), point.bounded or []
    begin = out.open(0x0A)
    out.fixed64(0x11, point.start_ns)
    out.fixed64(0x19, point.time_ns)
    out.fixed64(0x21, point.count)
    out.float64(0x29, _double(point.sum))
    out.blob(0x32, struct.pack(f"<{len(counts)}Q", *counts))
    out.blob(0x3A, struct.pack(f"<{len(bounds)}d", *bounds))
    for key, item in point.attributes.items():
        out.attribute(0x4A, key, values.clean(item))
    out.float64(0x59, _double(point.min))
    out.float64(0x61, _double(point.max))
    out.close(begin)


def _exponential(out: Writer, point: MetricPoint) -> None:
    scale, positive, negative = rescale(point.buckets, point.negative)
    begin = out.open(0x0A)
    for key, item in point.attributes.items():
        out.attribute(0x0A, key, values.clean(item))
    out.fixed64(0x11, point.start_ns)
    out.fixed64(0x19, point.time_ns)
    out.fixed64(0x21, point.count)
    out.float64(0x29, _double(point.sum))
    out.number(0x30, _zigzag(scale))
    out.fixed64(0x39, point.zero)
    _buckets(out, 0x42, positive)
    _buckets(out, 0x4A, negative)
    out.float64(0x61, _double(point.min))
    out.float64(0x69, _double(point.max))
    out.close(begin)


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a sum of integers may be larger than any float
        return float("inf") if value > 0 else float("-inf")


def rescale(positive: dict[int, int], negative: dict[int, int]) -> tuple[int, dict[int, int], dict[int, int]]:
    """Halve the resolution until both sides fit into :data:`MAX_BUCKETS`."""
    scale = SCALE
    while any(side and max(side) - min(side) >= MAX_BUCKETS for side in (positive, negative)):
        positive, negative = _halve(positive), _halve(negative)
        scale -= 1
    return scale, positive, negative


def _halve(side: dict[int, int]) -> dict[int, int]:
    coarse: dict[int, int] = {}
    for index, count in side.items():
        coarse[index >> 1] = coarse.get(index >> 1, 0) + count
    return coarse


def _buckets(out: Writer, tag: int, side: dict[int, int]) -> None:
    if not side:
        return
    begin = out.open(tag)
    lowest, highest = min(side), max(side)
    out.number(0x08, _zigzag(lowest))
    inner = out.open(0x12)
    for index in range(lowest, highest + 1):
        out.varint(side.get(index, 0))
    out.close(inner)
    out.close(begin)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1
