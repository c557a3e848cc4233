"""Makes loggers."""

from __future__ import annotations

from .metrics_logger import MetricsLogger


def create_metrics_logger() -> MetricsLogger:
    """Return a logger of metrics."""
    return MetricsLogger()
