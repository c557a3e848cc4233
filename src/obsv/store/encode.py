"""Turns records into rows of the store's tables: only values that SQLite takes, whatever the records hold."""

from __future__ import annotations

from ..hotpath.jsontext import dumps
from .rows import ERROR, error_parts, link_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..hotpath.records import LogRecord, MetricPoint
    from ..hotpath.span import Span

    Row = tuple[Any, ...]

_MAX_INTEGER = 2**63 - 1  # SQLite's integers have 64 bits with sign

# How sure a span is to be the root of its trace: it has no parent at all, or its parent lives in another process, or it
# only is the outermost that arrived.
ROOT, ENTRY, OTHER = 3, 2, 1


class TraceUpdate:
    """What a batch says of one trace, for its row in `trace`."""

    __slots__ = ("end_ns", "errors", "logs", "root", "root_rank", "spans", "start_ns", "trace_id")

    def __init__(self, trace_id: str) -> None:
        self.trace_id = trace_id
        self.start_ns = _MAX_INTEGER
        self.end_ns = 0
        self.spans = 0
        self.errors = 0
        self.logs = 0
        self.root: Span | None = None
        self.root_rank = 0

    def add_span(self, span: Span, rank: int) -> None:
        self.spans += 1
        self.errors += span.status_value == ERROR
        self._cover(integer(span.start_ns), integer(span.end_ns))
        best = self.root
        if best is None or rank > self.root_rank or (rank == self.root_rank and span.start_ns < best.start_ns):
            self.root, self.root_rank = span, rank

    def add_log(self, time_ns: int) -> None:
        self.logs += 1
        self._cover(time_ns, time_ns)

    def _cover(self, start_ns: int, end_ns: int) -> None:
        self.start_ns = min(self.start_ns, start_ns)
        self.end_ns = max(self.end_ns, start_ns, end_ns)

    def row(self, process: int) -> Row:
        root = self.root
        if root is None:
            named: Row = (0, None, None, None, None)
        else:
            named = (self.root_rank, text(root.name), process, integer(root.start_ns), integer(root.end_ns))
        return (self.trace_id, self.start_ns, self.end_ns, self.spans, self.errors, self.logs, *named)


def rank(span: Span, here: set[int]) -> int:
    """ROOT, ENTRY or OTHER. `here` are the ids of the spans that arrived together."""
    if not span.parent64:
        return ROOT
    if span.parent_remote:
        return ENTRY
    return 0 if span.parent64 in here else OTHER


def span_columns(span: Span, process: int) -> Row:
    """The columns of `span` from `process` on, in order."""
    scope = span.scope
    dropped = (span.dropped_attributes, span.dropped_events, span.dropped_links)
    return (
        process,
        span.span_id,
        span.parent_id,
        int(span.parent_remote),
        text(span.name),
        integer(span.kind_value),
        integer(span.flags),
        integer(span.start_ns),
        integer(span.end_ns),
        integer(span.status_value),
        text_or_none(span.status_message),
        json_or_none(span.attributes),
        json_or_none([[event.name, event.time_ns, event.all_attributes()] for event in span.event_list or ()]),
        json_or_none([link_parts(link) for link in span.link_list or ()]),
        text_or_none(span.tracestate),
        text_or_none(scope.name),
        text_or_none(scope.version),
        json_or_none(dropped) if any(dropped) else None,
    )


def log_columns(record: LogRecord, process: int) -> Row:
    """The columns of `log` from `process` on, in order."""
    return (
        process,
        record.span_id,
        integer(record.time_ns),
        integer(record.severity),
        text(record.level_name),
        text(record.logger),
        text(record.message),
        json_or_none(record.all_fields),
        json_or_none(error_parts(record.error)) if record.error is not None else None,
        json_or_none(record.code),
    )


def series_columns(point: MetricPoint) -> Row:
    """The columns of `series`: the key of four, then the description."""
    attributes = json({key: point.attributes[key] for key in sorted(point.attributes)})
    return (text(point.name), text(point.kind), text(point.unit), attributes, text(point.description))


def point_columns(point: MetricPoint, process: int) -> Row:
    """The columns of `point` from `process` on, in order."""
    times = (process, integer(point.start_ns), integer(point.time_ns))
    if point.kind != "histogram":
        return (*times, number(point.value), None, None, None, None, None, None, None)
    return (
        *times,
        None,
        integer(point.count),
        number(point.sum),
        number(point.min),
        number(point.max),
        integer(point.zero),
        json_or_none(point.buckets),
        json_or_none(point.negative),
    )


def text(value: object) -> str:
    """`value` as text that SQLite takes: half surrogate pairs become "?"."""
    word = value if type(value) is str else str(value)
    if word.isascii():
        return word
    return word.encode("utf-8", "replace").decode("utf-8")


def text_or_none(value: object) -> str | None:
    return None if value is None else text(value)


def json(value: Any) -> str:
    return text(dumps(value))


def json_or_none(value: Any) -> str | None:
    """JSON text; None for nothing and for what is empty."""
    return json(value) if value else None


def integer(value: int) -> int:
    """`value` within SQLite's 64 bits."""
    return max(-_MAX_INTEGER, min(_MAX_INTEGER, int(value)))


def number(value: float) -> float:
    """`value` as SQLite's float. An integer too large for one becomes infinite."""
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
