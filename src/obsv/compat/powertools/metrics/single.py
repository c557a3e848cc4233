"""One metric with dimensions of its own."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from .provider import EphemeralMetrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .units import MetricResolution, MetricUnit


class SingleMetric(EphemeralMetrics):
    """Takes the first metric that is added, and no other."""

    def add_metric(
        self, name: str, unit: MetricUnit | str, value: float, resolution: MetricResolution | int = 60
    ) -> None:
        """Add the metric; see `EphemeralMetrics.add_metric`."""
        if not self.metric_set:
            super().add_metric(name, unit, value, resolution)


@contextmanager
def single_metric(
    name: str,
    unit: MetricUnit | str,
    value: float,
    resolution: MetricResolution | int = 60,
    namespace: str | None = None,
    default_dimensions: dict[str, str] | None = None,
) -> Iterator[SingleMetric]:
    """Write one metric at the end of the block; nothing where the block raises, whose dimensions are not known then.

    Raises:
        MetricUnitError: The unit is none of CloudWatch's; and what else `EphemeralMetrics.add_metric` raises.
        SchemaValidationError: There is no namespace.

    Example:
        >>> with single_metric("ColdStart", MetricUnit.Count, 1, namespace="shop") as metric:
        ...     metric.add_dimension("function_version", "47")
    """
    metric = SingleMetric(namespace=namespace)
    metric.add_metric(name, unit, value, resolution)
    for key, text in (default_dimensions or {}).items():
        metric.add_dimension(key, text)
    yield metric
    if metric.metric_set:
        metric._write()
