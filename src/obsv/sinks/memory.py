"""Keeps everything in lists, as plain objects: for tests and for looking at what a program emits."""

from __future__ import annotations

from .base import Sent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..hotpath.records import LogRecord, MetricPoint
    from ..hotpath.span import Span
    from ..settings import Settings
    from .base import Attributes, Batch, Result

MAX_RECORDS = 100_000
"""What is kept of each signal; older records make room for newer ones."""


class MemorySink:
    """Hold the newest spans, metric points and log records.

    Attributes:
        spans: Finished spans, in order of ending within a local trace.
        points: Metric points, one a series and interval.
        logs: Log records.
        resource: Who emitted them.
    """

    name = "memory"
    signals = frozenset({"traces", "metrics", "logs"})

    def __init__(self, settings: Settings | None = None) -> None:
        self.spans: list[Span] = []
        self.points: list[MetricPoint] = []
        self.logs: list[LogRecord] = []
        self.resource: dict[str, Any] = {}

    def open(self, resource: Attributes) -> None:
        """Remember whose telemetry it is."""
        self.resource = dict(resource)

    def send(self, batch: Batch) -> Result:
        """Keep the batch."""
        kept: list[Any]
        if batch.signal == "traces":
            kept = self.spans
            for trace in batch.items:
                kept.extend(trace)
        else:
            kept = self.points if batch.signal == "metrics" else self.logs
            kept.extend(batch.items)
        del kept[:-MAX_RECORDS]
        return Sent()

    def probe(self) -> str:
        """Say that it can be reached: it is this process."""
        return "in this process"

    def close(self) -> None:
        """Keep what there is: it is read after the shutdown."""
