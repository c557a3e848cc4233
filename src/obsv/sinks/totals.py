"""Turns what happened in one interval (delta) into what happened since the start (cumulative), where that is wanted."""

from __future__ import annotations

from ..hotpath.records import MetricPoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SERIES = 50_000
"""Series kept; beyond that new ones are sent as they come."""


class Totals:
    """Remember the sum of every series (OpenTelemetry metrics data model, "Temporality")."""

    def __init__(self) -> None:
        self._totals: dict[tuple[object, ...], MetricPoint] = {}

    def add(self, points: Iterable[MetricPoint]) -> list[MetricPoint]:
        """Return the same series with everything since the start. Gauges have no history and stay as they are."""
        return [point if point.kind == "gauge" else self._add(point) for point in points]

    def _add(self, point: MetricPoint) -> MetricPoint:
        dimensions = sorted((name, str(value)) for name, value in point.attributes.items())
        key = (point.scope, point.name, point.kind, *dimensions)
        total = self._totals.get(key)
        if total is None:
            if len(self._totals) >= MAX_SERIES:
                return point
            total = self._totals[key] = _like(point, point.start_ns)
        total.time_ns = point.time_ns
        total.value += point.value
        if point.kind == "histogram":
            _merge(total, point)
        return _copy(total)


def _merge(total: MetricPoint, point: MetricPoint) -> None:
    total.min = point.min if total.count == 0 else min(total.min, point.min)
    total.max = point.max if total.count == 0 else max(total.max, point.max)
    total.count += point.count
    total.sum += point.sum
    total.zero += point.zero
    for into, side in ((total.buckets, point.buckets), (total.negative, point.negative)):
        for index, count in side.items():
            into[index] = into.get(index, 0) + count


def _like(point: MetricPoint, start_ns: int) -> MetricPoint:
    return MetricPoint(
        point.name, point.unit, point.description, point.kind, point.attributes, start_ns, point.time_ns, point.scope
    )


def _copy(total: MetricPoint) -> MetricPoint:
    point = _like(total, total.start_ns)
    point.value = total.value
    point.count, point.sum, point.min, point.max, point.zero = total.count, total.sum, total.min, total.max, total.zero
    point.buckets, point.negative = dict(total.buckets), dict(total.negative)
    return point
