"""Metric points as the SDK's objects, for exporters that were written for the SDK. Imports the SDK."""

from __future__ import annotations

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)

from ..hotpath import values
from ..hotpath.otlp_metrics import UNITS, rescale
from .resource import sdk_resource
from .view import scope_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ..hotpath.records import MetricPoint


def wants_delta(exporter: Any) -> bool:
    """Tell whether an exporter prefers what happened in one interval to what happened since the start.

    It may say so for each kind of instrument (SDK, ``MetricExporter``); a counter's word stands for all.
    """
    from opentelemetry.sdk.metrics import Counter

    preferred = getattr(exporter, "_preferred_temporality", None)
    return isinstance(preferred, dict) and preferred.get(Counter) is AggregationTemporality.DELTA


def metrics_data(points: Iterable[MetricPoint], resource: Mapping[str, Any], delta: bool) -> MetricsData:
    """Return points as the SDK's ``MetricsData``; they already have the temporality that ``delta`` says."""
    temporality = AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE
    grouped: dict[Any, dict[tuple[str, str, str], list[MetricPoint]]] = {}
    for point in points:
        by_name = grouped.setdefault(point.scope, {})
        by_name.setdefault((point.name, point.unit, point.kind), []).append(point)
    scopes = [
        ScopeMetrics(
            scope=scope_of(scope),
            metrics=[_metric(group, temporality) for group in by_name.values()],
            schema_url=scope.schema_url or "",
        )
        for scope, by_name in grouped.items()
    ]
    return MetricsData([ResourceMetrics(resource=sdk_resource(resource), scope_metrics=scopes, schema_url="")])


def _metric(group: list[MetricPoint], temporality: AggregationTemporality) -> Metric:
    first = group[0]
    data: Any
    if first.kind == "gauge":
        data = Gauge([_number(point) for point in group])
    elif first.kind == "counter":
        data = Sum([_number(point) for point in group], temporality, True)
    else:
        data = ExponentialHistogram([_exponential(point) for point in group], temporality)
    return Metric(str(first.name), str(first.description or ""), UNITS.get(first.unit, str(first.unit)), data)


def _attributes(point: MetricPoint) -> dict[str, Any]:
    return {str(key): values.clean(value) for key, value in point.attributes.items()}


def _number(point: MetricPoint) -> NumberDataPoint:
    return NumberDataPoint(_attributes(point), point.start_ns, point.time_ns, point.value)


def _exponential(point: MetricPoint) -> ExponentialHistogramDataPoint:
    def side(found: dict[int, int]) -> Buckets:
        if not found:
            return Buckets(0, [])
        lowest, highest = min(found), max(found)
        return Buckets(lowest, [found.get(index, 0) for index in range(lowest, highest + 1)])

    scale, positive, negative = rescale(point.buckets, point.negative)
    return ExponentialHistogramDataPoint(
        _attributes(point), point.start_ns, point.time_ns, point.count, point.sum, scale, point.zero,
        side(positive), side(negative), 0, point.min, point.max,
    )  # fmt: skip
