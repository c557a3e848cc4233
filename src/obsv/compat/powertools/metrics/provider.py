"""Metrics of one kind of event, and how they become EMF lines: ``EphemeralMetrics``, whose state is its own."""

from __future__ import annotations

import os
import warnings
from numbers import Number
from typing import TYPE_CHECKING, Any

from obsv.emf import limits
from obsv.emf.document import Document
from obsv.hotpath import faults
from obsv.hotpath.errors import safe_text

from ... import stdout
from .. import environment
from ..warnings import PowertoolsUserWarning
from .exceptions import MetricNameError, MetricValueError, SchemaValidationError
from .invocation import cold_start as cold_start  # tests reset it here
from .invocation import flushing
from .units import MetricResolution, MetricUnit, resolution_of, unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_DIMENSIONS = 29
"""Dimensions that one may add; the 30th is ``service``."""

MAX_METRICS = 100
"""Metrics, or values of one, with which a line is written at once."""


def disabled() -> bool:
    """Tell whether no metrics are written (``POWERTOOLS_METRICS_DISABLED``, and by default ``POWERTOOLS_DEV``)."""
    if "POWERTOOLS_METRICS_DISABLED" in os.environ:
        return environment.truthy("POWERTOOLS_METRICS_DISABLED")
    return environment.truthy(environment.DEV)


class EphemeralMetrics:
    """Gathers metrics and writes them as EMF lines to stdout.

    Args:
        metric_set: State to share, as the rest of the sets.
        namespace: The CloudWatch namespace (``POWERTOOLS_METRICS_NAMESPACE``).
        service: The dimension ``service`` (``POWERTOOLS_SERVICE_NAME``).
        function_name: The dimension ``function_name`` of the metric ColdStart (``POWERTOOLS_METRICS_FUNCTION_NAME``).

    Example:
        >>> metrics = EphemeralMetrics(namespace="shop", service="checkout")
        >>> metrics.add_metric("orders", MetricUnit.Count, 1)
        >>> metrics.flush_metrics()
    """

    def __init__(
        self,
        metric_set: dict[str, Any] | None = None,
        dimension_set: dict[str, str] | None = None,
        namespace: str | None = None,
        metadata_set: dict[str, Any] | None = None,
        service: str | None = None,
        default_dimensions: dict[str, Any] | None = None,
        function_name: str | None = None,
        other_units: dict[tuple[str, str, int], list[float]] | None = None,
    ) -> None:
        self.metric_set: dict[str, Any] = {} if metric_set is None else metric_set
        self.dimension_set: dict[str, str] = {} if dimension_set is None else dimension_set
        self.default_dimensions: dict[str, Any] = {} if default_dimensions is None else default_dimensions
        self.metadata_set: dict[str, Any] = {} if metadata_set is None else metadata_set
        self.dimension_sets: list[dict[str, str]] = []
        self.namespace = namespace if namespace is not None else os.environ.get("POWERTOOLS_METRICS_NAMESPACE")
        self.service = service if service is not None else os.environ.get(environment.SERVICE_NAME)
        self.function_name = function_name
        self.timestamp: int | None = None
        # Values of a metric that is in `metric_set` with another unit or resolution.
        self._other_units: dict[tuple[str, str, int], list[float]] = {} if other_units is None else other_units
        self.dimension_set.update({name: safe_text(value) for name, value in self.default_dimensions.items()})

    # ------------------------------------------------------------------ what is measured

    def add_metric(
        self, name: str, unit: MetricUnit | str, value: float, resolution: MetricResolution | int = 60
    ) -> None:
        """Add a value to a metric. A line is written when there are 100 metrics, or 100 values of one.

        Raises:
            MetricNameError: The name is empty or longer than 255 characters.
            MetricUnitError: The unit is none of CloudWatch's.
            MetricResolutionError: The resolution is neither 1 nor 60.
            MetricValueError: The value is no number. NaN and what is beyond 2^360 are left out with one line.
            SchemaValidationError: A line is due, and there is no namespace.
        """
        name = safe_text(name).strip()
        if not 1 <= len(name) <= limits.MAX_METRIC_NAME:
            raise MetricNameError(f"The metric name should be between 1 and {limits.MAX_METRIC_NAME} characters")
        word, fine = unit_of(unit), resolution_of(resolution)
        if not isinstance(value, Number) or isinstance(value, complex):
            raise MetricValueError(f"{safe_text(value)[:80]} is not a valid number")
        number = limits.number(value)
        if number is None:
            faults.tell(
                f"the metric {name!r} leaves out {value!r}: CloudWatch takes finite numbers within 2^360",
                key=f"powertools metric {name}",
            )
            return
        values = self._values(name, word, fine)
        values.append(float(number))
        if len(self.metric_set) >= MAX_METRICS or len(values) >= MAX_METRICS:
            self._write()

    def _values(self, name: str, unit: str, resolution: int) -> list[float]:
        """Return where the values of a metric are; those of one name with two units are kept apart."""
        metric = self.metric_set.get(name)
        if metric is None:
            metric = self.metric_set[name] = {"Unit": unit, "StorageResolution": resolution, "Value": []}
        if metric["Unit"] == unit and metric["StorageResolution"] == resolution:
            found: list[float] = metric["Value"]
            return found
        return self._other_units.setdefault((name, unit, resolution), [])

    def add_dimension(self, name: str, value: str) -> None:
        """Add a dimension to all metrics.

        Raises:
            SchemaValidationError: It is the 30th.
        """
        name, text = safe_text(name), safe_text(value)
        if len(self.dimension_set) >= MAX_DIMENSIONS and name not in self.dimension_set:
            raise SchemaValidationError(
                f"Maximum number of dimensions exceeded ({MAX_DIMENSIONS}): Unable to add dimension {name}."
            )
        if not name.strip() or not text.strip():
            _warn(
                f"The dimension {name} doesn't meet the requirements and won't be added. "
                "Ensure the dimension name and value are non-empty strings"
            )
            return
        if self.dimension_set.get(name, text) != text:
            _warn(f"Dimension '{name}' has already been added. The previous value will be overwritten.")
        self.dimension_set[name] = text

    def add_dimensions(self, **dimensions: str) -> None:
        """Add one more set of dimensions: metrics are stored once for each set.

        Raises:
            SchemaValidationError: There are more than 29 dimensions together.
        """
        if not dimensions:
            _warn("Empty dimensions dictionary provided")
            return
        kept: dict[str, str] = {}
        for name, value in dimensions.items():
            text = safe_text(value)
            if name.strip() and text.strip():
                kept[name] = text
            else:
                _warn(f"Dimension {name} has empty name or value")
        if not kept:
            return
        if len(set(self.dimension_set).union(kept, *self.dimension_sets)) > MAX_DIMENSIONS:
            raise SchemaValidationError(f"Maximum dimensions ({MAX_DIMENSIONS}) exceeded")
        self.dimension_sets.append({**self.default_dimensions, **kept})

    def set_default_dimensions(self, **dimensions: Any) -> None:
        """Add dimensions that stay when metrics are flushed."""
        for name, value in dimensions.items():
            self.add_dimension(name, value)
        self.default_dimensions.update(dimensions)

    def add_metadata(self, key: str, value: Any) -> None:
        """Put something beside the metrics, to be searched for in the logs; any value."""
        self.metadata_set[safe_text(key)] = value

    def set_timestamp(self, timestamp: Any) -> None:
        """Say when the metrics of this flush were taken: a ``datetime``, or milliseconds since the Unix epoch.

        CloudWatch takes what is at most 14 days old or 2 hours ahead; other times give a warning.
        """
        from time import time_ns

        found = limits.milliseconds(timestamp)
        if found is None or not limits.timely(found, time_ns() // 1_000_000):
            warnings.warn(
                "This metric doesn't meet the requirements and will be skipped by Amazon CloudWatch. "
                "Ensure the timestamp is within 14 days past or 2 hours future.",
                stacklevel=2,
            )
        if found is not None:
            self.timestamp = found

    # ------------------------------------------------------------------ lines

    def serialize_metric_set(
        self,
        metrics: dict[str, Any] | None = None,
        dimensions: dict[str, str] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the EMF object of what was gathered; of several, where one does not hold all, the first.

        Raises:
            SchemaValidationError: There is no metric, or no namespace.
        """
        from json import loads

        others = self._other_units if metrics is None else {}
        metrics = self.metric_set if metrics is None else metrics
        lines = self._document(metrics, others, dimensions, metadata).lines(arrays=True) if metrics else []
        if not lines:
            raise SchemaValidationError("Must contain at least one metric.")
        found: dict[str, Any] = loads(lines[0])
        return found

    def _document(
        self,
        metrics: Mapping[str, Any],
        others: Mapping[tuple[str, str, int], list[float]],
        dimensions: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Document:
        primary = dict(self.dimension_set if dimensions is None else dimensions)
        if self.service and not primary.get("service"):
            primary["service"] = safe_text(self.service)
        document = Document(self._valid_namespace())
        document.timestamp = self.timestamp
        for dimension_set in (primary, *self.dimension_sets):
            document.add_dimensions(dimension_set)
        for key, value in dict(self.metadata_set if metadata is None else metadata).items():
            document.set_property(key, value)
        for name, metric in dict(metrics).items():
            document.add_metric(
                name, metric.get("Value", 0), metric.get("Unit") or None, metric.get("StorageResolution", 60)
            )
        for (name, unit, resolution), values in dict(others).items():
            document.add_metric(name, values, unit, resolution)
        return document

    def _valid_namespace(self) -> str:
        if self.namespace is None:
            raise SchemaValidationError("Must contain a metric namespace.")
        return self.namespace

    def _write(self) -> None:
        """Write what was gathered, and keep none of it. Of several threads that do so each writes another part."""
        wanted = not disabled()
        if wanted:
            self._valid_namespace()
        metrics, others = _taken(self.metric_set), _taken(self._other_units)
        if wanted and (metrics or others):
            stdout.write(self._document(metrics, others).lines(arrays=True))

    def flush_metrics(self, raise_on_empty_metrics: bool = False) -> None:
        """Write what was gathered, and begin again with the default dimensions.

        Raises:
            SchemaValidationError: There is no namespace; or no metric, and ``raise_on_empty_metrics`` is set.
        """
        if not self.metric_set and not raise_on_empty_metrics:
            warnings.warn(
                "No application metrics to publish. The cold-start metric may be published if enabled. "
                "If application metrics should never be empty, consider using 'raise_on_empty_metrics'",
                stacklevel=2,
            )
            return
        if not self.metric_set and not disabled():
            raise SchemaValidationError("Must contain at least one metric.")
        self._write()
        self._begin_anew()

    def clear_metrics(self) -> None:
        """Forget what was gathered; the default dimensions stay."""
        self.metric_set.clear()
        self._other_units.clear()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.dimension_set.clear()
        self.dimension_sets.clear()
        self.metadata_set.clear()
        self.timestamp = None
        self.set_default_dimensions(**self.default_dimensions)

    # ------------------------------------------------------------------ invocations

    def log_metrics(
        self,
        lambda_handler: Callable[..., Any] | None = None,
        capture_cold_start_metric: bool = False,
        raise_on_empty_metrics: bool = False,
        default_dimensions: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Decorate a Lambda handler, sync or async: metrics are written when it returns or raises.

        Args:
            capture_cold_start_metric: Write the metric ColdStart for the first invocation, failed ones included.
            raise_on_empty_metrics: Raise SchemaValidationError where the handler returns and has measured nothing.
            default_dimensions: Dimensions that stay.

        Example:
            >>> @metrics.log_metrics(capture_cold_start_metric=True)
            ... def handler(event, context):
            ...     metrics.add_metric("orders", "Count", 1)
        """
        if default_dimensions:
            self.set_default_dimensions(**default_dimensions)
        if lambda_handler is None:
            return lambda handler: self.log_metrics(
                handler, capture_cold_start_metric, raise_on_empty_metrics, **kwargs
            )
        return flushing(self, lambda_handler, capture_cold_start_metric, raise_on_empty_metrics)

    def add_cold_start_metric(self, context: Any) -> None:
        """Write the metric ColdStart, with the dimensions ``function_name`` and ``service``, in a line of its own."""
        from .single import single_metric

        name = (
            self.function_name
            or os.environ.get("POWERTOOLS_METRICS_FUNCTION_NAME")
            or getattr(context, "function_name", None)
        )
        with single_metric("ColdStart", MetricUnit.Count, 1, namespace=self.namespace) as metric:
            if name:
                metric.add_dimension("function_name", name)
            if self.service:
                metric.add_dimension("service", self.service)


def _taken(held: dict[Any, Any]) -> dict[Any, Any]:
    """Take everything out of a dict that other threads fill and empty as well."""
    found = []
    for _ in range(len(held)):
        try:
            found.append(held.popitem())
        except KeyError:
            break
    return dict(reversed(found))


def _warn(text: str) -> None:
    warnings.warn(text, PowertoolsUserWarning, stacklevel=3)
