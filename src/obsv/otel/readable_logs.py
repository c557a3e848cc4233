"""A log record as the SDK's object, for exporters that were written for the SDK. Imports the SDK."""

from __future__ import annotations

from opentelemetry import trace as api
from opentelemetry._logs import LogRecord as ApiRecord
from opentelemetry._logs import SeverityNumber
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from ..hotpath.errors import safe_text
from ..hotpath.otlp import log_attributes
from .resource import sdk_resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..hotpath.records import LogRecord

_SEVERITIES = {number.value: number for number in SeverityNumber}


def readable_log(record: LogRecord, resource: Mapping[str, Any]) -> ReadableLogRecord:
    """Return a log record as the SDK's ``ReadableLogRecord``; a logger's name is its scope."""
    trace_id = (record.trace_hi << 64) | record.trace_lo
    span = api.NonRecordingSpan(api.SpanContext(trace_id, record.id64, False, api.TraceFlags(record.flags & 0xFF)))
    made = ApiRecord(
        timestamp=record.time_ns,
        observed_timestamp=record.time_ns,
        context=api.set_span_in_context(span, Context()),
        severity_text=safe_text(record.level),
        severity_number=_SEVERITIES.get(record.severity, SeverityNumber.UNSPECIFIED),
        body=safe_text(record.body),
        attributes=BoundedAttributes(None, log_attributes(record), immutable=True),
    )
    return ReadableLogRecord(made, sdk_resource(resource), InstrumentationScope(safe_text(record.logger)))
