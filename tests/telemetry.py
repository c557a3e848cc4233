"""Real spans, logs and metric points without `obsv.init()`: made by the hot path, taken from its own queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.hotpath.metrics import Counter, Gauge, Histogram, Meter, collect
from obsv.hotpath.queue import BoundedQueue
from obsv.hotpath.records import LogRecord, MetricPoint
from obsv.hotpath.span import Outlet, Remote, Scope, Span, start_span
from obsv.pipeline.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = 1_000_000_000
MS = 1_000_000
T0 = 1_780_000_000 * SECOND
"""When the spans of `Recorder.span` begin to be told apart: 2026-05-28 20:26:40 UTC."""


def local_traces(queue: BoundedQueue) -> list[list[Span]]:
    """Take what waits in a queue of spans, as a sink sees it."""
    return Batch("traces", queue.take(1 << 30), {}).items


class Recorder:
    """Makes spans that go to a queue of its own; `traces` takes what has ended."""

    def __init__(self, name: str = "test") -> None:
        self.queue = BoundedQueue(1_000_000, 1 << 30, 1_000_000, None, None)
        outlet = Outlet()
        outlet.enabled = True
        outlet.queues = (self.queue,)
        self.scope = Scope(name, "1.0", outlet)

    def start(self, name: str, parent: Span | Remote | None = None, kind: int = 0, **attributes: Any) -> Span:
        return start_span(self.scope, name, kind, parent, attributes)

    def traces(self) -> list[list[Span]]:
        return local_traces(self.queue)

    def trace(self, name: str = "GET /", children: int = 0, **attributes: Any) -> list[Span]:
        """One finished local trace: a root with so many children."""
        root = self.start(name, kind=1, **attributes)
        for i in range(children):
            self.start(f"child {i}", root).end()
        root.end()
        [spans] = self.traces()
        return spans


def remote(span: Span) -> Remote:
    """What another process gets to know of `span` from a header."""
    return Remote(span.trace_hi, span.trace_lo, span.id64, span.flags)


def log(body: str, span: Span | None = None, severity: int = 9, level: str = "INFO", **fields: Any) -> LogRecord:
    """A log record, within `span` if there is one."""
    import time

    record = LogRecord(time.time_ns(), severity, level, body, "test", fields or None)
    if span is not None:
        record.trace_hi, record.trace_lo, record.id64 = span.trace_hi, span.trace_lo, span.id64
        record.flags = span.flags
    return record


def points(record: Callable[[Callable[[type, str, str], Any]], None], now_ns: int = T0) -> list[MetricPoint]:
    """What instruments collected: `record` gets a function that makes an instrument of a kind, name and unit."""
    meter = Meter()
    meter.enabled = True

    def make(kind: type, name: str, unit: str = "Count") -> Any:
        if name not in meter.instruments:
            meter.instruments[name] = kind(name, unit, "", None, meter)
        return meter.instruments[name]

    record(make)
    return collect(now_ns, meter)


__all__ = ["MS", "SECOND", "T0", "Counter", "Gauge", "Histogram", "Recorder", "log", "points", "remote"]
