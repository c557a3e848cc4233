"""What is raised where something cannot be measured, as documented by aws-embedded-metrics."""

from __future__ import annotations


class DimensionSetExceededError(Exception):
    """A dimension set has more than 30 dimensions."""


class InvalidDimensionError(Exception):
    """A dimension's name or value is none that CloudWatch takes."""


class InvalidMetricError(Exception):
    """A metric's name, value, unit or resolution is none that CloudWatch takes."""


class InvalidNamespaceError(Exception):
    """A namespace is none that CloudWatch takes."""


class InvalidTimestampError(Exception):
    """A time is more than 14 days ago, more than 2 hours ahead, or none."""
