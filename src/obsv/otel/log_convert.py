"""What OpenTelemetry's logs API is given, as obsv's log records; and a record of the SDK's as one of ours.

Rules: OpenTelemetry specification, "Logs API" and "Logs Data Model"; the SDK's ``Logger.emit`` and
``BoundedAttributes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import time_ns

from opentelemetry.trace import get_current_span

from ..hotpath import faults
from ..hotpath.errors import ErrorInfo, safe_text
from ..hotpath.records import LogRecord
from ..hotpath.span import Span, current
from ..hotpath.values import clean, has_text
from .context import as_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..hotpath.span import Scope

_MASK64 = (1 << 64) - 1
_MAX_NS = (1 << 64) - 1


class Limits:
    """How many attributes a record keeps, and how long their texts may be; None means unlimited."""

    __slots__ = ("count", "length")

    def __init__(self, count: int | None, length: int | None) -> None:
        self.count = count
        self.length = length


def from_call(scope: Scope, limits: Limits, given: Mapping[str, Any]) -> LogRecord:
    """Return the record of a ``Logger.emit(...)`` with keywords. Never raises: what cannot be used is left out.

    Args:
        scope: The logger's.
        limits: Those of its provider.
        given: The arguments by name.
    """
    record = _begin(scope, given.get("timestamp"), given.get("observed_timestamp"))
    _describe(record, limits, given)
    _take_span(record, given.get("context"))
    exception = given.get("exception")
    if isinstance(exception, BaseException):
        record.error = ErrorInfo.capture(exception)
    return record


def from_api(scope: Scope, limits: Limits, given: Any) -> LogRecord:
    """Return our form of an ``opentelemetry._logs.LogRecord``."""
    read = vars(given) if hasattr(given, "__dict__") else {}
    record = _begin(scope, read.get("timestamp"), read.get("observed_timestamp"))
    _describe(record, limits, read)
    trace_id, span_id = _number(read.get("trace_id")), _number(read.get("span_id"))
    record.trace_hi, record.trace_lo = (trace_id >> 64) & _MASK64, trace_id & _MASK64
    record.id64 = span_id & _MASK64
    record.flags = _number(read.get("trace_flags")) & 0xFF
    exception = read.get("exception")
    if isinstance(exception, BaseException) and record.error is None:
        record.error = ErrorInfo.capture(exception)
    return record


def from_processed(scope: Scope, processed: Any) -> LogRecord:
    """Return our form of a ``ReadWriteLogRecord`` as the processors left it: cleaned, limited, perhaps changed."""
    limits = processed.limits
    length = getattr(limits, "max_log_record_attribute_length", None)
    record = from_api(scope, Limits(None, length), processed.log_record)
    record.dropped = int(getattr(processed, "dropped_attributes", 0) or 0)
    return record


def bounded(attributes: Any, limits: Limits) -> tuple[dict[str, Any], int]:
    """Clean attributes as ``BoundedAttributes`` does, and return them with the number of those left out.

    The newest are kept where there are too many. A value whose own methods raise loses only itself.
    """
    if not attributes:
        return {}, 0
    if not isinstance(attributes, Mapping):
        faults.tell("attributes of a log record have to be a mapping; others are left out", key="log attributes")
        return {}, 1
    kept: dict[str, Any] = {}
    length = -1 if limits.length is None else limits.length
    total = 0
    for key, value in attributes.items():
        total += 1
        if type(key) is not str:
            if not key or not (isinstance(key, str) or has_text(key)):
                continue
            key = safe_text(key)
        if not key:
            continue
        kind = type(value)
        if (kind is str and length < 0) or kind is int or kind is bool or kind is float:
            kept[key] = value
            continue
        try:
            kept[key] = clean(value, length)
        except Exception:  # noqa: BLE001 - the value's own methods
            kept[key] = safe_text(value)
    dropped = total - len(kept)
    if limits.count is not None and len(kept) > limits.count:
        over = len(kept) - limits.count
        dropped += over
        for key in list(kept)[:over]:
            del kept[key]
    return kept, dropped


def _begin(scope: Scope, timestamp: Any, observed: Any) -> LogRecord:
    observed = observed if _is_time(observed) else time_ns()
    timed = _is_time(timestamp)
    record = LogRecord(timestamp if timed else observed, 0, "", None, scope.name)
    record.timed = timed
    record.observed_ns = observed
    record.scope = scope
    return record


def _describe(record: LogRecord, limits: Limits, given: Mapping[str, Any]) -> None:
    """Take over what a call and a record of the API name alike."""
    number = given.get("severity_number")
    if number is not None:
        number = getattr(number, "value", number)
        if type(number) is int and 0 <= number <= 24:
            record.severity = number
        else:
            faults.tell(
                f"the severity {safe_text(number)[:40]} is not taken: a SeverityNumber is needed", key="severity"
            )
    text, event = given.get("severity_text"), given.get("event_name")
    if text is not None:
        record.level = text if type(text) is str else safe_text(text)
    if event:
        record.event_name = event if type(event) is str else safe_text(event)
    record.body = _body(given.get("body"))
    record.max_length = -1 if limits.length is None else limits.length
    fields, record.dropped = bounded(given.get("attributes"), limits)
    if fields:
        record.fields = fields
        _take_error(record, fields)
        _take_code(record, fields)


def _body(body: Any) -> Any:
    if type(body) is str or body is None:
        return body
    try:
        return clean(body)
    except Exception:  # noqa: BLE001 - its own methods
        return safe_text(body)


def _take_error(record: LogRecord, fields: dict[str, Any]) -> None:
    """See the exception in attributes that handlers (the SDK's LoggingHandler) write out, for outlets that show one."""
    names = ("exception.type", "exception.message", "exception.stacktrace")
    parts = [fields.get(name) for name in names]
    if all([type(part) is str for part in parts]):
        kind, message, stack = parts
        error = ErrorInfo(str(kind), str(message))
        error.written = str(stack)
        record.error = error
        for name in names:
            del fields[name]


def _take_code(record: LogRecord, fields: dict[str, Any]) -> None:
    """The same for the place of the call."""
    path, line = fields.get("code.file.path"), fields.get("code.line.number")
    function = fields.get("code.function.name")
    if type(path) is str and type(line) is int and type(function) is str:
        record.code = (path, line, function)
        for name in ("code.file.path", "code.line.number", "code.function.name"):
            del fields[name]


def _take_span(record: LogRecord, context: Any) -> None:
    """Note the span of a context; of the current one, where none (or an empty one) is given."""
    if not context:
        state = current()
        if state is None:
            return
        if type(state) is Span:
            record.trace_hi, record.trace_lo, record.id64 = state.trace_hi, state.trace_lo, state.id64
            record.flags = state.flags
            return
        context = as_context(state)
    try:
        found = get_current_span(context).get_span_context()
        record.trace_hi, record.trace_lo = (found.trace_id >> 64) & _MASK64, found.trace_id & _MASK64
        record.id64 = found.span_id
        record.flags = int(found.trace_flags)
    except Exception:  # noqa: BLE001 - no context, or a span of somebody's own
        faults.tell("the context of a log record cannot be read; it has no trace id", key="log context")


def _is_time(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MAX_NS


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int) and value >= 0 else 0
