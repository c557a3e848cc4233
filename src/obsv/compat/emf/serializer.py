"""What was gathered, as EMF lines."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

from obsv.emf import limits
from obsv.emf.document import Document

from .config import get_config

if TYPE_CHECKING:
    from .logger.metrics_context import MetricsContext


def serialize(context: MetricsContext, max_bytes: int = limits.MAX_EVENT_BYTES) -> list[str]:
    """Return the lines of a context. Whatever it holds can be written; what exceeds a limit goes into several."""
    document = Document(
        context.namespace,
        log_group=context.meta.get("LogGroupName"),
        log_stream=context.meta.get("LogStreamName"),
    )
    time = context.meta.get("Timestamp")
    # That of a logger which nobody has flushed for weeks would be refused.
    if isinstance(time, int) and limits.timely(time, time_ns() // 1_000_000):
        document.timestamp = time
    for key, value in dict(context.properties).items():
        document.set_property(key, value)
    for dimensions in context.get_dimensions():
        document.add_dimensions(dimensions)
    for name, metric in dict(context.metrics).items():
        document.add_metric(name, metric.values, metric.unit, metric.storage_resolution.value)
    for (name, _), metric in dict(context.other_units).items():
        document.add_metric(name, metric.values, metric.unit, metric.storage_resolution.value)
    return document.lines(max_bytes=max_bytes, extract=not get_config().disable_metric_extraction)
