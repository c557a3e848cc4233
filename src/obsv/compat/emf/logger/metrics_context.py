"""What one flush writes: metrics, dimensions, properties and a time."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Any

from obsv.hotpath.errors import safe_text

from .. import validator
from ..config import get_config
from ..exceptions import InvalidMetricError
from ..storage_resolution import StorageResolution

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_NAMESPACE = "aws-embedded-metrics"


class Metric:
    """The values of one metric."""

    __slots__ = ("storage_resolution", "unit", "values")

    def __init__(self, value: float, unit: str, storage_resolution: StorageResolution) -> None:
        self.values = [value]
        self.unit = unit
        self.storage_resolution = storage_resolution


class MetricsContext:
    """Gathers what is said until it is flushed.

    Attributes:
        namespace: The CloudWatch namespace.
        properties: What stands beside the metrics.
        dimensions: The dimension sets that the program has given.
        default_dimensions: What is before each of them.
        should_use_default_dimensions: Whether it is.
        metrics: Values by name, those of its first unit.
        other_units: Values of a name in ``metrics`` with another unit, by name and unit.
        meta: Members of ``_aws``: ``Timestamp``.
        fresh: Whether anything was measured or set since the last flush.
    """

    def __init__(
        self,
        namespace: str | None = None,
        properties: dict[str, Any] | None = None,
        dimensions: list[dict[str, str]] | None = None,
        default_dimensions: dict[str, str] | None = None,
    ) -> None:
        self.namespace = namespace or get_config().namespace or DEFAULT_NAMESPACE
        self.properties: dict[str, Any] = properties or {}
        self.dimensions: list[dict[str, str]] = dimensions or []
        self.default_dimensions: dict[str, str] = default_dimensions or {}
        self.should_use_default_dimensions = True
        self.metrics: dict[str, Metric] = {}
        self.other_units: dict[tuple[str, str], Metric] = {}
        self.meta: dict[str, Any] = {"Timestamp": time_ns() // 1_000_000}
        self.fresh = False

    @staticmethod
    def empty() -> MetricsContext:
        """Return a new one."""
        return MetricsContext()

    def put_metric(
        self,
        key: str,
        value: float,
        unit: Any = None,
        storage_resolution: StorageResolution = StorageResolution.STANDARD,
    ) -> None:
        """Add a value to a metric; see `MetricsLogger.put_metric`."""
        name, number, word, resolution = validator.metric(key, value, unit, storage_resolution)
        self.fresh = True
        metric = self.metrics.get(name)
        if metric is not None and metric.storage_resolution is not resolution:
            raise InvalidMetricError(
                f"Resolution for metrics {name} is already set. "
                "A single log event cannot have a metric with two different resolutions."
            )
        if metric is not None and metric.unit != word:
            metric = self.other_units.get((name, word))
            if metric is None:
                self.other_units[name, word] = Metric(number, word, resolution)
                return
        if metric is None:
            self.metrics[name] = Metric(number, word, resolution)
        else:
            metric.values.append(number)

    def put_dimensions(self, dimension_set: Mapping[str, str] | None) -> None:
        """Add a dimension set; one with the same names goes."""
        if dimension_set is None:
            return
        added = validator.dimension_set(dimension_set)
        self.dimensions = [known for known in self.dimensions if known.keys() != added.keys()]
        self.dimensions.append(added)

    def set_dimensions(self, dimension_sets: Iterable[Mapping[str, str]], use_default: bool = False) -> None:
        """Have these dimension sets and no others."""
        found = [validator.dimension_set(each) for each in dimension_sets]
        self.should_use_default_dimensions = use_default
        self.dimensions = found

    def reset_dimensions(self, use_default: bool) -> None:
        """Have no dimension sets of one's own."""
        self.dimensions = []
        self.should_use_default_dimensions = use_default

    def set_default_dimensions(self, default_dimensions: dict[str, str]) -> None:
        """Set what is before each dimension set."""
        self.default_dimensions = default_dimensions

    def get_dimensions(self) -> list[dict[str, str]]:
        """Return the dimension sets with the default ones, where they are wanted."""
        if not self.should_use_default_dimensions or not self.default_dimensions:
            return self.dimensions
        return [{**self.default_dimensions, **each} for each in self.dimensions or [{}]]

    def set_property(self, key: str, value: Any) -> None:
        """Put something beside the metrics."""
        self.fresh = True
        self.properties[safe_text(key)] = value

    def set_timestamp(self, timestamp: Any) -> None:
        """Say when it happened; see `MetricsLogger.set_timestamp`."""
        self.meta["Timestamp"] = validator.timestamp(timestamp)

    def create_copy_with_context(self, preserve_dimensions: bool = False) -> MetricsContext:
        """Return what the next flush begins with: the properties, and the dimensions where they are to stay."""
        copy = MetricsContext(
            self.namespace,
            dict(self.properties),
            list(self.dimensions) if preserve_dimensions else None,
            dict(self.default_dimensions),
        )
        if preserve_dimensions:
            copy.should_use_default_dimensions = self.should_use_default_dimensions
        return copy
