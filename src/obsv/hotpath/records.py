"""What travels from the hot path to the sinks besides spans: events, links, log records and metric points."""

from __future__ import annotations

from .errors import safe_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .errors import ErrorInfo
    from .span import Scope

_LEVELS = ("TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Event:
    """Something that happened at one moment of a span.

    Attributes:
        name: For an exception ``"exception"`` (OpenTelemetry semantic conventions, "Exceptions on spans").
        time_ns: Nanoseconds since the Unix epoch.
        attributes: Cleaned values; those of an exception are added by :meth:`all_attributes`.
        error: The exception, if the event is one.
        escaped: True when the exception left the span.
        dropped: Attributes that went over the limit.
        limits: For an exception: how many attributes may be kept, and how many characters of a text (negative: all).
    """

    __slots__ = ("attributes", "dropped", "error", "escaped", "limits", "name", "time_ns")

    def __init__(
        self, name: str, time_ns: int, attributes: dict[str, Any], error: ErrorInfo | None = None, escaped: bool = False
    ) -> None:
        self.name = name
        self.time_ns = time_ns
        self.attributes = attributes
        self.error = error
        self.escaped = escaped
        self.dropped = 0
        self.limits: tuple[int, int] | None = None

    def all_attributes(self) -> dict[str, Any]:
        """Return the attributes, with ``exception.*`` written out. Reads source files: for the drain thread."""
        return self.written()[0]

    def written(self) -> tuple[dict[str, Any], int]:
        """Return :meth:`all_attributes`, and how many went over the limit."""
        error = self.error
        if error is None:
            return self.attributes, self.dropped
        said = {
            "exception.type": error.type,
            "exception.message": error.message,
            "exception.stacktrace": error.text(),
            "exception.escaped": str(self.escaped),
        }
        if self.limits is None:
            said.update(self.attributes)
            return said, self.dropped
        count, length = self.limits
        if length >= 0:
            said = {key: text[:length] for key, text in said.items()}
        said.update(self.attributes)
        over = max(0, len(said) - count)
        return dict(list(said.items())[over:]), self.dropped + over  # the newest are kept (OpenTelemetry SDK)


class Link:
    """A span of another trace that this one belongs with.

    Attributes:
        trace_hi: Upper 64 bits of the trace id.
        trace_lo: Lower 64 bits of the trace id.
        id64: The span id.
        flags: W3C trace flags.
        tracestate: The W3C header's text, or None.
        attributes: Cleaned values.
        dropped: Attributes that went over the limit.
        context: The ``SpanContext`` that it was made from, or None.
    """

    __slots__ = ("attributes", "context", "dropped", "flags", "id64", "trace_hi", "trace_lo", "tracestate")

    def __init__(
        self, trace_hi: int, trace_lo: int, id64: int, flags: int, tracestate: str | None, attributes: dict[str, Any]
    ) -> None:
        self.trace_hi = trace_hi
        self.trace_lo = trace_lo
        self.id64 = id64
        self.flags = flags
        self.tracestate = tracestate
        self.attributes = attributes
        self.dropped = 0
        self.context: Any = None


class LogRecord:
    """One log line before anybody wrote it.

    Attributes:
        time_ns: Nanoseconds since the Unix epoch; where nobody said when it happened, when it was observed.
        observed_ns: When it was observed; None where that was at ``time_ns``.
        timed: False where ``time_ns`` is only the moment of the observation.
        severity: OpenTelemetry's number: 5 debug, 9 info, 13 warning, 17 error, 21 critical; 0 where nobody said.
        level: The word, as it was given: upper case from Python's logging. ``""`` where nobody said.
        body: The message: text, or anything that OpenTelemetry takes as an attribute.
        event_name: The name of the event that it is (OpenTelemetry logs data model, "EventName"), or None.
        logger: The logger's name.
        scope: Who logged, where more than the logger's name is known; else None.
        fields: What the caller added, as given; encoders survive anything.
        trace_hi: Upper 64 bits of the trace id, 0 outside a span.
        trace_lo: Lower 64 bits of the trace id.
        id64: The span id, 0 outside a span.
        flags: W3C trace flags.
        dropped: Fields that went over the limit.
        max_length: The longest text of an exception that is kept, in characters; negative means unlimited.
        error: The exception logged, or None.
        code: ``(path, line, function)`` of the call, or None where finding it would cost too much.
    """

    __slots__ = (
        "body",
        "code",
        "dropped",
        "error",
        "event_name",
        "fields",
        "flags",
        "id64",
        "level",
        "logger",
        "max_length",
        "observed_ns",
        "scope",
        "severity",
        "time_ns",
        "timed",
        "trace_hi",
        "trace_lo",
    )

    def __init__(
        self, time_ns: int, severity: int, level: str, body: Any, logger: str, fields: dict[str, Any] | None = None
    ) -> None:
        self.time_ns = time_ns
        self.severity = severity
        self.level = level
        self.body = body
        self.logger = logger
        self.fields = fields
        self.trace_hi = 0
        self.trace_lo = 0
        self.id64 = 0
        self.flags = 0
        self.error: ErrorInfo | None = None
        self.code: tuple[str, int, str] | None = None
        self.observed_ns: int | None = None
        self.timed = True
        self.event_name: str | None = None
        self.scope: Scope | None = None
        self.dropped = 0
        self.max_length = -1

    @property
    def message(self) -> str:
        """The body as text, for outlets that write lines: of an event without one its name, of a structure its JSON."""
        body = self.body
        if type(body) is str:
            return body
        if body is None and self.event_name is not None:
            return self.event_name
        from .jsontext import dumps  # the compiled one knows this module

        return dumps(body) if isinstance(body, (dict, list, tuple, bytes)) else safe_text(body)

    @property
    def level_name(self) -> str:
        """The level's word, also where only its number was given."""
        if self.level or not 0 < self.severity <= 24:
            return self.level or "NOTSET"
        return _LEVELS[(self.severity - 1) // 4]

    @property
    def all_fields(self) -> dict[str, Any] | None:
        """The fields, with the name of the event as ``event.name`` where it is one."""
        if self.event_name is None:
            return self.fields
        return {**(self.fields or {}), "event.name": self.event_name}

    @property
    def trace_id(self) -> str | None:
        """The trace id as 32 hex digits, None outside a span."""
        return f"{self.trace_hi:016x}{self.trace_lo:016x}" if self.trace_hi or self.trace_lo else None

    @property
    def span_id(self) -> str | None:
        """The span id as 16 hex digits, None outside a span."""
        return f"{self.id64:016x}" if self.id64 else None


class MetricPoint:
    """One series of a metric over one interval: what happened in it, nothing older (delta temporality).

    Attributes:
        name: The instrument's name.
        unit: CloudWatch's word for the unit (``"Count"``, ``"Milliseconds"``, …).
        description: The instrument's description.
        kind: ``"counter"``, ``"up_down_counter"``, ``"histogram"`` or ``"gauge"``.
        attributes: The dimensions of the series.
        start_ns: Begin of the interval, nanoseconds since the Unix epoch.
        time_ns: End of the interval.
        value: Counter: the sum of the interval. Gauge: the last value. Up-down counter: the sum since ``since_ns``.
        count: Histogram: how many values.
        sum: Histogram: their sum.
        min: Histogram: the smallest.
        max: Histogram: the largest.
        values: Histogram: the values themselves while there are at most 100, else None.
        buckets: Histogram: positive values in base-2 exponential buckets of scale 6; index ``i`` counts values in
            ``(2**(i/64), 2**((i+1)/64)]`` (OpenTelemetry data model, "ExponentialHistogram"). Complete also where
            ``values`` is set.
        negative: The same for the absolute values of negative ones.
        zero: How many values were zero.
        bounds: Histogram: where explicit buckets end (OpenTelemetry data model, "Histogram"), or None without them.
        bounded: How many values each explicit bucket holds; the last one what is above all bounds.
        scope: Who made the instrument.
        foreign: Made through OpenTelemetry's API: the unit is in the program's own words.
        observed: The value was asked for by a callback (OpenTelemetry's asynchronous instruments).
        total: Counters of OpenTelemetry's API: the sum since ``since_ns``; None for others.
        since_ns: When ``total`` was zero, nanoseconds since the Unix epoch.
        resolution: Seconds that CloudWatch keeps apart: 60, or 1 for a metric of high resolution.
    """

    __slots__ = (
        "attributes",
        "bounded",
        "bounds",
        "buckets",
        "count",
        "description",
        "foreign",
        "kind",
        "max",
        "min",
        "name",
        "negative",
        "observed",
        "resolution",
        "scope",
        "since_ns",
        "start_ns",
        "sum",
        "time_ns",
        "total",
        "unit",
        "value",
        "values",
        "zero",
    )

    def __init__(
        self,
        name: str,
        unit: str,
        description: str,
        kind: str,
        attributes: dict[str, Any],
        start_ns: int,
        time_ns: int,
        scope: Scope,
    ) -> None:
        self.name = name
        self.unit = unit
        self.description = description
        self.kind = kind
        self.attributes = attributes
        self.start_ns = start_ns
        self.time_ns = time_ns
        self.scope = scope
        self.value: int | float = 0
        self.count = 0
        self.sum: int | float = 0
        self.min: int | float = 0
        self.max: int | float = 0
        self.values: list[int | float] | None = None
        self.buckets: dict[int, int] = {}
        self.negative: dict[int, int] = {}
        self.zero = 0
        self.bounds: tuple[float, ...] | None = None
        self.bounded: list[int] | None = None
        self.foreign = False
        self.observed = False
        self.total: int | float | None = None
        self.since_ns = 0
        self.resolution = 60
