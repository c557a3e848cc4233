"""The Metrics of Powertools: CloudWatch metrics as EMF lines on stdout."""

from __future__ import annotations

from .exceptions import MetricNameError, MetricResolutionError, MetricUnitError, MetricValueError, SchemaValidationError
from .metrics import Metrics
from .provider import EphemeralMetrics
from .single import SingleMetric, single_metric
from .units import MetricResolution, MetricUnit

__all__ = [
    "EphemeralMetrics",
    "MetricNameError",
    "MetricResolution",
    "MetricResolutionError",
    "MetricUnit",
    "MetricUnitError",
    "MetricValueError",
    "Metrics",
    "SchemaValidationError",
    "SingleMetric",
    "single_metric",
]
