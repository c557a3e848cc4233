"""What Metrics raises, as documented by Powertools."""

from __future__ import annotations


class SchemaValidationError(Exception):
    """There is no metric or no namespace, or there are too many dimensions."""


class MetricValueError(Exception):
    """The value of a metric is no number."""


class MetricNameError(Exception):
    """The name of a metric is empty or longer than 255 characters."""


class MetricUnitError(Exception):
    """The unit is none of CloudWatch's."""


class MetricResolutionError(Exception):
    """The resolution is neither 1 nor 60."""
