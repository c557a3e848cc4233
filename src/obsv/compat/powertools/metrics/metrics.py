"""Metrics that all parts of a program share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .provider import EphemeralMetrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from .units import MetricResolution, MetricUnit


class Metrics:
    """As `EphemeralMetrics`, with metrics, dimensions and metadata that every other ``Metrics()`` has too.

    Args:
        service: The dimension ``service`` (``POWERTOOLS_SERVICE_NAME``).
        namespace: The CloudWatch namespace (``POWERTOOLS_METRICS_NAMESPACE``).
        provider: What gathers and writes, instead of a new one.
        function_name: The dimension ``function_name`` of the metric ColdStart.

    Example:
        >>> metrics = Metrics(namespace="ServerlessAirline", service="booking")
        >>> @metrics.log_metrics
        ... def handler(event, context):
        ...     metrics.add_metric("SuccessfulBooking", MetricUnit.Count, 1)
    """

    _metrics: ClassVar[dict[str, Any]] = {}
    _dimensions: ClassVar[dict[str, str]] = {}
    _metadata: ClassVar[dict[str, Any]] = {}
    _default_dimensions: ClassVar[dict[str, Any]] = {}
    _other_units: ClassVar[dict[tuple[str, str, int], list[float]]] = {}

    def __init__(
        self,
        service: str | None = None,
        namespace: str | None = None,
        provider: Any = None,
        function_name: str | None = None,
    ) -> None:
        self.metric_set = self._metrics
        self.metadata_set = self._metadata
        self.default_dimensions = self._default_dimensions
        self.dimension_set = self._dimensions
        self.provider: Any = provider
        if provider is None:
            self.provider = EphemeralMetrics(
                namespace=namespace,
                service=service,
                metric_set=self._metrics,
                dimension_set=self._dimensions,
                metadata_set=self._metadata,
                default_dimensions=self._default_dimensions,
                function_name=function_name,
                other_units=self._other_units,
            )

    def add_metric(
        self, name: str, unit: MetricUnit | str, value: float, resolution: MetricResolution | int = 60
    ) -> None:
        """Add a value to a metric; see `EphemeralMetrics.add_metric`."""
        self.provider.add_metric(name=name, unit=unit, value=value, resolution=resolution)

    def add_dimension(self, name: str, value: str) -> None:
        """Add a dimension to all metrics; see `EphemeralMetrics.add_dimension`."""
        self.provider.add_dimension(name=name, value=value)

    def add_dimensions(self, **dimensions: str) -> None:
        """Add one more set of dimensions; see `EphemeralMetrics.add_dimensions`."""
        self.provider.add_dimensions(**dimensions)

    def serialize_metric_set(
        self,
        metrics: dict[str, Any] | None = None,
        dimensions: dict[str, str] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the EMF object; see `EphemeralMetrics.serialize_metric_set`."""
        found: dict[str, Any] = self.provider.serialize_metric_set(
            metrics=metrics, dimensions=dimensions, metadata=metadata
        )
        return found

    def add_metadata(self, key: str, value: Any) -> None:
        """Put something beside the metrics, to be searched for in the logs."""
        self.provider.add_metadata(key=key, value=value)

    def set_timestamp(self, timestamp: Any) -> None:
        """Say when the metrics of this flush were taken; see `EphemeralMetrics.set_timestamp`."""
        self.provider.set_timestamp(timestamp=timestamp)

    def flush_metrics(self, raise_on_empty_metrics: bool = False) -> None:
        """Write what was gathered; see `EphemeralMetrics.flush_metrics`."""
        self.provider.flush_metrics(raise_on_empty_metrics=raise_on_empty_metrics)

    def log_metrics(
        self,
        lambda_handler: Callable[..., Any] | None = None,
        capture_cold_start_metric: bool = False,
        raise_on_empty_metrics: bool = False,
        default_dimensions: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Decorate a Lambda handler; see `EphemeralMetrics.log_metrics`."""
        return self.provider.log_metrics(
            lambda_handler=lambda_handler,
            capture_cold_start_metric=capture_cold_start_metric,
            raise_on_empty_metrics=raise_on_empty_metrics,
            default_dimensions=default_dimensions,
            **kwargs,
        )

    def set_default_dimensions(self, **dimensions: Any) -> None:
        """Add dimensions that stay when metrics are flushed."""
        self.provider.set_default_dimensions(**dimensions)
        self.default_dimensions.update(dimensions)

    def clear_default_dimensions(self) -> None:
        """Forget the default dimensions, from the next flush on."""
        self.provider.default_dimensions.clear()
        self.default_dimensions.clear()

    def clear_metrics(self) -> None:
        """Forget what was gathered."""
        self.provider.clear_metrics()

    @property
    def namespace(self) -> str | None:
        """The CloudWatch namespace."""
        found: str | None = self.provider.namespace
        return found

    @namespace.setter
    def namespace(self, namespace: str | None) -> None:
        self.provider.namespace = namespace

    @property
    def service(self) -> str | None:
        """The dimension ``service``."""
        found: str | None = self.provider.service
        return found

    @service.setter
    def service(self, service: str | None) -> None:
        self.provider.service = service
