"""Brings what the SDK's provider collects to obsv's sinks: for meter providers with views, which only the SDK applies.

This module needs the SDK and is imported where a program gives views.
"""

from __future__ import annotations

from opentelemetry.sdk.metrics import Counter, Histogram, ObservableCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    Gauge,
    MetricReader,
    Sum,
)
from opentelemetry.sdk.metrics.export import Histogram as ExplicitHistogram
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

from ..hotpath.metrics import METER
from ..hotpath.otlp_metrics import SCALE
from ..hotpath.records import MetricPoint
from ..hotpath.span import Scope
from .observing import OBSERVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from opentelemetry.sdk.metrics.export import Metric, MetricsData


class SinkReader(MetricReader):
    """A reader of the SDK whose exporter is obsv: it collects when obsv does, in a thread that may hang.

    Attributes:
        name: What stands in lines about it.
        on: False after the shutdown.
        meter: Whether metrics are collected at all.
    """

    def __init__(self, exponential: bool = False) -> None:
        delta = AggregationTemporality.DELTA
        super().__init__(
            preferred_temporality={Counter: delta, ObservableCounter: delta, Histogram: delta},
            preferred_aggregation=(
                {Histogram: ExponentialBucketHistogramAggregation(max_scale=SCALE)} if exponential else None
            ),
        )
        self.name = "(of a provider with views)"
        self.on = True
        self.meter = METER
        self._scopes: dict[Any, Scope] = {}
        self._waiting: list[MetricPoint] = []
        METER.sources.append(self.points)
        OBSERVER.add(self, [self._ask])

    def _ask(self, options: object) -> tuple[()]:
        self.collect()
        return ()

    def take(self, value: object, attributes: object, turn: int) -> None:
        """Take an observation; there are none, all come by way of the SDK."""

    def points(self) -> list[MetricPoint]:
        """Return what was collected since the last call."""
        taken, self._waiting = self._waiting, []
        if not self.on and self.points in METER.sources:
            METER.sources.remove(self.points)
        return taken

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        for resource_metrics in metrics_data.resource_metrics:
            for scope_metrics in resource_metrics.scope_metrics:
                scope = self._scope(scope_metrics.scope)
                for metric in scope_metrics.metrics:
                    self._waiting.extend(_points(metric, scope))

    def _scope(self, theirs: Any) -> Scope:
        scope = self._scopes.get(theirs)
        if scope is None:
            attributes = dict(theirs.attributes or {})
            scope = Scope(theirs.name, theirs.version, None, theirs.schema_url, attributes or None)
            self._scopes[theirs] = scope
        return scope

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        """Collect a last time; the next collection of obsv takes it along."""
        if self.on:
            OBSERVER.remove(self)
            if METER.enabled:
                self.collect()
            self.on = False


def _points(metric: Metric, scope: Scope) -> Iterator[MetricPoint]:
    """Turn what the SDK collected into obsv's points."""
    data: Any = metric.data
    if isinstance(data, Sum):
        kind = "counter" if data.is_monotonic else "up_down_counter"
    else:
        kind = "gauge" if isinstance(data, Gauge) else "histogram"
    for theirs in data.data_points:
        attributes = dict(theirs.attributes or {})
        start, unit, text = theirs.start_time_unix_nano or 0, metric.unit or "", metric.description or ""
        point = MetricPoint(metric.name, unit, text, kind, attributes, start, theirs.time_unix_nano, scope)
        point.foreign = True
        point.since_ns = start
        if kind == "histogram":
            point.count, point.sum, point.min, point.max = theirs.count, theirs.sum, theirs.min, theirs.max
            if isinstance(data, ExplicitHistogram):
                point.bounds, point.bounded = tuple(theirs.explicit_bounds), list(theirs.bucket_counts)
            elif isinstance(data, ExponentialHistogram):
                point.zero = theirs.zero_count
                point.buckets = _buckets(theirs.positive, theirs.scale)
                point.negative = _buckets(theirs.negative, theirs.scale)
        else:
            point.value = theirs.value
        yield point


def _buckets(side: Any, scale: int) -> dict[int, int]:
    """Return buckets at obsv's scale; what a coarser one holds goes into the middle."""
    found: dict[int, int] = {}
    finer = SCALE - scale
    for place, count in enumerate(side.bucket_counts):
        index = side.offset + place
        index = index >> -finer if finer < 0 else (index << finer) + (1 << finer) // 2
        if count:
            found[index] = found.get(index, 0) + count
    return found


__all__ = ["SinkReader"]
