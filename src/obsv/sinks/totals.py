"""Turns what happened in one interval (delta) into what happened since the start (cumulative), where that is wanted."""

from __future__ import annotations

from ..hotpath.otlp_metrics import CUMULATIVE, temporality_of
from ..hotpath.records import MetricPoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_SERIES = 50_000
"""Series kept; beyond that new ones are sent as they come."""


class Totals:
    """Remember the sum of every series (OpenTelemetry metrics data model, "Temporality").

    Args:
        preference: ``CUMULATIVE``, or ``LOW_MEMORY``: observable counters only.
    """

    def __init__(self, preference: int = CUMULATIVE) -> None:
        self._preference = preference
        self._totals: dict[tuple[object, ...], MetricPoint] = {}

    def add(self, points: Iterable[MetricPoint]) -> list[MetricPoint]:
        """Return the same series with everything since the start.

        Gauges have no history and stay as they are, up-down counters have it already. Counters and histograms of
        OpenTelemetry's API that have no news are told again, as the SDK does: receivers forget what falls silent.
        """
        found: list[MetricPoint] = []
        told: set[tuple[object, ...]] = set()
        now = 0
        for point in points:
            now = max(now, point.time_ns)
            if point.kind in ("counter", "histogram") and temporality_of(point, self._preference) == CUMULATIVE:
                key = _key(point)
                told.add(key)
                point = self._add(key, point)
            found.append(point)
        for key, total in self._totals.items():
            if total.foreign and not total.observed and key not in told:
                total.time_ns = now
                found.append(_copy(total))
        return found

    def _add(self, key: tuple[object, ...], point: MetricPoint) -> MetricPoint:
        total = self._totals.get(key)
        if point.total is not None:  # the instrument itself knows it
            known = _copy(point)
            known.value, known.start_ns = point.total, point.since_ns
            if total is not None or len(self._totals) < MAX_SERIES:
                self._totals[key] = known
            return _copy(known)
        if total is None:
            if len(self._totals) >= MAX_SERIES:
                return point
            total = self._totals[key] = _like(point, point.start_ns)
        total.time_ns = point.time_ns
        total.value += point.value
        if point.kind == "histogram":
            _merge(total, point)
        return _copy(total)


def _key(point: MetricPoint) -> tuple[object, ...]:
    dimensions = sorted((name, type(value).__name__, str(value)) for name, value in point.attributes.items())
    return (point.scope, point.name, point.kind, point.unit, point.description, point.bounds, *dimensions)


def _merge(total: MetricPoint, point: MetricPoint) -> None:
    total.min = point.min if total.count == 0 else min(total.min, point.min)
    total.max = point.max if total.count == 0 else max(total.max, point.max)
    total.count += point.count
    total.sum += point.sum
    total.zero += point.zero
    if point.bounded is not None:
        before = total.bounded or [0] * len(point.bounded)
        total.bounded = [one + other for one, other in zip(before, point.bounded, strict=True)]
    for into, side in ((total.buckets, point.buckets), (total.negative, point.negative)):
        for index, count in side.items():
            into[index] = into.get(index, 0) + count


def _like(point: MetricPoint, start_ns: int) -> MetricPoint:
    made = MetricPoint(
        point.name, point.unit, point.description, point.kind, point.attributes, start_ns, point.time_ns, point.scope
    )
    made.foreign, made.observed, made.bounds = point.foreign, point.observed, point.bounds
    made.since_ns = point.since_ns
    return made


def _copy(total: MetricPoint) -> MetricPoint:
    point = _like(total, total.start_ns)
    point.value = total.value
    point.count, point.sum, point.min, point.max, point.zero = total.count, total.sum, total.min, total.max, total.zero
    point.buckets, point.negative, point.bounded = dict(total.buckets), dict(total.negative), total.bounded
    return point
