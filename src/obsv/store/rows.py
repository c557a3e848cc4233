"""What the store gives back: plain objects, made for reading and for showing.

Ids are lower-case hexadecimal text, times Unix epoch nanoseconds, durations nanoseconds. `span_row` and `log_row` make
the same objects from records that have not been stored, so that one renderer shows both.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..hotpath.errors import ErrorInfo
    from ..hotpath.records import LogRecord
    from ..hotpath.span import Span

ERROR = 2
"""The span status that says error (OpenTelemetry, `StatusCode`)."""


class EventRow:
    """An event of a span; an exception has `exception.type`, `.message`, `.stacktrace` (OpenTelemetry conventions)."""

    __slots__ = ("attributes", "name", "time_ns")

    def __init__(self, name: str, time_ns: int, attributes: dict[str, Any]) -> None:
        self.name = name
        self.time_ns = time_ns
        self.attributes = attributes


class SpanRow:
    """A finished span. `kind` is OpenTelemetry's: 0 internal, 1 server, 2 client, 3 producer, 4 consumer.

    `parent_id` is None for the root of its trace, and `parent_remote` is true when the parent lives in another process.
    `links` are objects with `trace_id`, `span_id` and `attributes`.
    """

    __slots__ = (
        "attributes",
        "end_ns",
        "events",
        "flags",
        "kind",
        "links",
        "name",
        "parent_id",
        "parent_remote",
        "pid",
        "scope",
        "service",
        "span_id",
        "start_ns",
        "status",
        "status_message",
        "trace_id",
        "tracestate",
    )

    def __init__(
        self, trace_id: str, span_id: str, parent_id: str | None, name: str, service: str, start_ns: int, end_ns: int
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.parent_id = parent_id
        self.parent_remote = False
        self.name = name
        self.service = service
        self.pid = 0
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.kind = 0
        self.flags = 0
        self.status = 0
        self.status_message: str | None = None
        self.attributes: dict[str, Any] = {}
        self.events: list[EventRow] = []
        self.links: list[dict[str, Any]] = []
        self.tracestate: str | None = None
        self.scope: str | None = None

    @property
    def duration_ns(self) -> int:
        """How long it took; never negative, also where clocks went backwards."""
        return max(0, self.end_ns - self.start_ns)

    @property
    def is_error(self) -> bool:
        return self.status == ERROR


class LogRow:
    """A log record. `error` has the logged exception's `type`, `message` and `stacktrace`; `code` is its origin."""

    __slots__ = (
        "body",
        "code",
        "error",
        "fields",
        "level",
        "logger",
        "pid",
        "service",
        "severity",
        "span_id",
        "time_ns",
        "trace_id",
    )

    def __init__(self, time_ns: int, severity: int, level: str, body: str, logger: str, service: str) -> None:
        self.time_ns = time_ns
        self.severity = severity
        self.level = level
        self.body = body
        self.logger = logger
        self.service = service
        self.pid = 0
        self.trace_id: str | None = None
        self.span_id: str | None = None
        self.fields: dict[str, Any] = {}
        self.error: dict[str, str] | None = None
        self.code: tuple[str, int, str] | None = None


class TraceSummary:
    """One line of the list of traces.

    `name` and `service` are those of the root, or of the earliest entry into a process while the root is missing
    (`complete` is then false). `duration_ns` is how long that span took, `total_ns` from the first start to the last
    end of any span: longer when work went on after the answer. `error` says what the first error was.
    """

    __slots__ = (
        "complete",
        "duration_ns",
        "error",
        "errors",
        "logs",
        "name",
        "service",
        "services",
        "spans",
        "start_ns",
        "total_ns",
        "trace_id",
    )

    def __init__(self, trace_id: str, name: str, service: str, start_ns: int) -> None:
        self.trace_id = trace_id
        self.name = name
        self.service = service
        self.start_ns = start_ns
        self.duration_ns = 0
        self.total_ns = 0
        self.spans = 0
        self.errors = 0
        self.logs = 0
        self.complete = True
        self.services: tuple[str, ...] = ()
        self.error: str | None = None


class Trace:
    """A trace: all its spans in order of their start, all its logs in order of time, from every process."""

    __slots__ = ("logs", "spans", "trace_id")

    def __init__(self, trace_id: str, spans: list[SpanRow], logs: list[LogRow]) -> None:
        self.trace_id = trace_id
        self.spans = spans
        self.logs = logs


class Series:
    """One metric with one set of attributes in one service, over all its points.

    `kind` is "counter" (`sum` is its total), "gauge" (`last` is its newest value) or "histogram" (all but `last`).
    `count` is the number of values of a histogram, and of points otherwise. `buckets` and `negative` are base-2
    exponential of scale 6: index i counts the values in (2**(i/64), 2**((i+1)/64)].
    """

    __slots__ = (
        "attributes",
        "buckets",
        "count",
        "description",
        "first_ns",
        "kind",
        "last",
        "last_ns",
        "max",
        "min",
        "name",
        "negative",
        "service",
        "sum",
        "unit",
        "zero",
    )

    def __init__(self, service: str, name: str, kind: str, unit: str, attributes: dict[str, Any]) -> None:
        self.service = service
        self.name = name
        self.kind = kind
        self.unit = unit
        self.attributes = attributes
        self.description = ""
        self.first_ns = 0
        self.last_ns = 0
        self.count = 0
        self.sum = 0.0
        self.min: float | None = None
        self.max: float | None = None
        self.last: float | None = None
        self.zero = 0
        self.buckets: dict[int, int] = {}
        self.negative: dict[int, int] = {}

    def merge(self, other: Series) -> None:
        """Take another series' values in, to see several as one (all status codes of a route, say)."""
        self.count += other.count
        self.sum += other.sum
        self.zero += other.zero
        self.min = _pick(min, self.min, other.min)
        self.max = _pick(max, self.max, other.max)
        if self.last is None or other.last_ns >= self.last_ns:
            self.last = other.last
        self.first_ns = min(self.first_ns, other.first_ns) if self.first_ns else other.first_ns
        self.last_ns = max(self.last_ns, other.last_ns)
        add_buckets(self.buckets, other.buckets)
        add_buckets(self.negative, other.negative)

    def percentile(self, share: float) -> float | None:
        """The value that `share` (0 to 1) of all values do not exceed; None without values.

        The nearest-rank estimate from the buckets: off by at most 0.55 %, half a bucket, and never outside of the
        smallest and the largest value.
        """
        total = sum(self.negative.values()) + self.zero + sum(self.buckets.values())
        if total == 0:
            return None
        rank = min(total, max(1, -int(-(share * total) // 1)))
        if rank == total and self.max is not None:
            return self.max
        if rank == 1 and self.min is not None:
            return self.min
        seen = 0
        estimate = 0.0
        for index, sign, count in self._in_order():
            seen += count
            if seen >= rank:
                estimate = sign * _middle(index) if sign else 0.0
                break
        if self.min is not None:
            estimate = max(estimate, self.min)
        if self.max is not None:
            estimate = min(estimate, self.max)
        return estimate

    def _in_order(self) -> list[tuple[int, int, int]]:
        """The buckets as (index, sign, count), smallest values first."""
        rows = [(index, -1, self.negative[index]) for index in sorted(self.negative, reverse=True)]
        rows.append((0, 0, self.zero))
        rows.extend((index, 1, self.buckets[index]) for index in sorted(self.buckets))
        return rows


def add_buckets(into: dict[int, int], more: dict[int, int]) -> None:
    """Add the counts of `more` to `into`."""
    for index, count in more.items():
        into[index] = into.get(index, 0) + count


def _middle(index: int) -> float:
    """The geometric middle of a bucket of scale 6."""
    try:
        return float(2.0 ** ((index + 0.5) / 64.0))
    except OverflowError:
        return float("inf")


def _pick(choose: Any, a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return b if a is None else a
    value: float = choose(a, b)
    return value


def error_parts(error: ErrorInfo) -> dict[str, str]:
    """An exception in the words of OpenTelemetry's conventions, without the prefix. Reads source files."""
    return {"type": error.type, "message": error.message, "stacktrace": error.text()}


def span_row(span: Span, service: str, pid: int = 0) -> SpanRow:
    """A span that was not stored, as the store would give it back."""
    row = SpanRow(span.trace_id, span.span_id, span.parent_id, span.name, service, span.start_ns, span.end_ns)
    row.parent_remote = bool(span.parent_remote)
    row.pid = pid
    row.kind = span.kind_value
    row.flags = span.flags
    row.status = span.status_value
    row.status_message = span.status_message
    row.attributes = dict(span.attributes)
    row.events = [EventRow(event.name, event.time_ns, event.all_attributes()) for event in span.event_list or ()]
    row.links = [link_parts(link) for link in span.link_list or ()]
    row.tracestate = span.tracestate
    row.scope = span.scope.name
    return row


def link_parts(link: Any) -> dict[str, Any]:
    """A link as the store writes it."""
    return {
        "trace_id": f"{link.trace_hi:016x}{link.trace_lo:016x}",
        "span_id": f"{link.id64:016x}",
        "attributes": link.attributes,
    }


def log_row(record: LogRecord, service: str, pid: int = 0) -> LogRow:
    """A log record that was not stored, as the store would give it back (fields as the caller gave them)."""
    row = LogRow(record.time_ns, record.severity, record.level_name, record.message, record.logger, service)
    row.pid = pid
    row.trace_id = record.trace_id
    row.span_id = record.span_id
    row.fields = record.all_fields or {}
    row.error = error_parts(record.error) if record.error is not None else None
    row.code = record.code
    return row
