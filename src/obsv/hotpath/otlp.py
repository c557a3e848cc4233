"""Writes OTLP requests (opentelemetry-proto v1) straight from spans and log records, without message objects.

Runs in a sink's thread. The resource and each scope are encoded once and kept.
"""

from __future__ import annotations

from time import sleep

from . import faults, values
from .errors import safe_text
from .span import Scope, Span
from .wire import Writer

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.obsv.hotpath._native import slots_get
else:
    from .otlp_plain import plain_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .records import Event, Link, LogRecord

SLICE = 256
"""Spans that are encoded in one go; after them others have the interpreter for a moment.

Compiled code does not give up the GIL by itself, and CPython takes it away from interpreted code only every 5 ms: so a
request's thread waits for a slice (some 0.2 ms compiled) and not for a batch.
"""

_BREATH = 0.00002  # seconds: the shortest sleep that lets a waiting thread go first

_HAS_IS_REMOTE = 0x100  # opentelemetry/proto/trace/v1/trace.proto, SpanFlags; 0x200 is IS_REMOTE


def traces(batch: Iterable[list[Span] | Span], resource: bytes) -> bytes:
    """Return an ``ExportTraceServiceRequest``.

    Args:
        batch: Local traces, and spans that went alone.
        resource: What :func:`resource` returned.
    """
    everything: list[Span] = []
    for entry in batch:
        if isinstance(entry, Span):
            everything.append(entry)
        else:
            everything.extend(entry)
    by_scope: dict[Scope, list[Span]] = {}
    last: Any = None
    spans: list[Span] = []
    for span in everything:
        if span.scope is not last:  # mostly it is
            last = span.scope
            spans = by_scope.setdefault(last, [])
        spans.append(span)
    out = Writer()
    begin = out.open(0x0A)
    out.raw(resource)
    count = 0
    for scope, spans in by_scope.items():
        inner = out.open(0x12)
        out.raw(scope_bytes(scope))
        for span in spans:
            count += 1
            if count == SLICE:
                count = 0
                sleep(_BREATH)
            if not cython.compiled and (plain := plain_span(span)) is not None:
                out.out += plain
                continue
            written = out.position()
            try:
                write_span(out, span)
            except Exception as error:  # noqa: BLE001 - one span that cannot be written must not take the others along
                out.cut(written)
                faults.report("encoding a span", error)
        if scope.schema_url:
            out.text(0x1A, scope.schema_url)
        out.close(inner)
    out.close(begin)
    return out.getvalue()


def write_span(out: Writer, span: Span) -> None:
    """Append a ``Span`` as field 2 of ``ScopeSpans``."""
    begin = out.open(0x12)
    out.ids(0x0A, span.trace_hi, span.trace_lo)
    out.id64(0x12, span.id64)
    if span.tracestate:
        out.text(0x1A, span.tracestate)
    if span.parent64:
        out.id64(0x22, span.parent64)
    name = span.name
    out.text(0x2A, name if type(name) is str else safe_text(name))
    out.number(0x30, span.kind_value + 1)
    out.fixed64(0x39, span.start_ns)
    out.fixed64(0x41, span.end_ns)
    if span.told is None:
        for index in range(span.slots.held):  # type: ignore[attr-defined]
            out.attribute(
                0x4A,
                slots_get(cython.address(span.slots), 2 * index),  # type: ignore[attr-defined]
                slots_get(cython.address(span.slots), 2 * index + 1),  # type: ignore[attr-defined]
            )
    else:
        for key, value in span.told.items():
            out.attribute(0x4A, key, value)
    if span.dropped_attributes:
        out.number(0x50, span.dropped_attributes)
    if span.event_list is not None:
        for event in span.event_list:
            _event(out, event)
    if span.dropped_events:
        out.number(0x60, span.dropped_events)
    if span.link_list is not None:
        for link in span.link_list:
            _link(out, link)
    if span.dropped_links:
        out.number(0x70, span.dropped_links)
    if span.status_value:
        inner = out.open(0x7A)
        if span.status_message:
            out.text(0x12, span.status_message)
        out.number(0x18, span.status_value)
        out.close(inner)
    flags = (span.flags & 0xFF) | 0x100  # HAS_IS_REMOTE, as a number: the compiler folds it
    if span.parent_remote:
        flags |= 0x200
    out.fixed32(0x85, flags)
    out.close(begin)


def _event(out: Writer, event: Event) -> None:
    begin = out.open(0x5A)
    out.fixed64(0x09, event.time_ns)
    out.text(0x12, event.name)
    said, dropped = event.written()
    for key, value in said.items():
        out.attribute(0x1A, key, value)
    if dropped:
        out.number(0x20, dropped)
    out.close(begin)


def _link(out: Writer, link: Link) -> None:
    begin = out.open(0x6A)
    out.ids(0x0A, link.trace_hi, link.trace_lo)
    out.id64(0x12, link.id64)
    if link.tracestate:
        out.text(0x1A, link.tracestate)
    for key, value in link.attributes.items():
        out.attribute(0x22, key, value)
    if link.dropped:
        out.number(0x28, link.dropped)
    out.fixed32(0x35, (link.flags & 0xFF) | _HAS_IS_REMOTE)
    out.close(begin)


def resource_bytes(attributes: Mapping[str, Any]) -> bytes:
    """Return a ``Resource`` as field 1 of ``ResourceSpans``, ``ResourceMetrics`` or ``ResourceLogs``."""
    out = Writer()
    begin = out.open(0x0A)
    for key, value in attributes.items():
        out.attribute(0x0A, key, values.clean(value))
    out.close(begin)
    return out.getvalue()


def scope_bytes(scope: Scope) -> bytes:
    """Return an ``InstrumentationScope`` as field 1 of its ``Scope…`` message, encoded when first asked for."""
    if scope.encoded is None:
        out = Writer()
        begin = out.open(0x0A)
        out.text(0x0A, str(scope.name or ""))
        if scope.version:
            out.text(0x12, str(scope.version))
        for key, value in (scope.attributes or {}).items():
            out.attribute(0x1A, key, values.clean(value))
        out.close(begin)
        scope.encoded = out.getvalue()
    return scope.encoded


def logs(records: Iterable[LogRecord], resource: bytes) -> bytes:
    """Return an ``ExportLogsServiceRequest``; a logger's name is its scope, where no other is known."""
    by_scope: dict[Scope | str, list[LogRecord]] = {}
    for record in records:
        by_scope.setdefault(record.scope or record.logger, []).append(record)
    out = Writer()
    begin = out.open(0x0A)
    out.raw(resource)
    for scope, group in by_scope.items():
        inner = out.open(0x12)
        known = scope if isinstance(scope, Scope) else Scope(scope)
        out.raw(scope_bytes(known))
        for record in group:
            written = out.position()
            try:
                _log_record(out, record)
            except Exception as error:  # noqa: BLE001 - as above
                out.cut(written)
                faults.report("encoding a log record", error)
        if known.schema_url:
            out.text(0x1A, known.schema_url)
        out.close(inner)
    out.close(begin)
    return out.getvalue()


def _log_record(out: Writer, record: LogRecord) -> None:
    begin = out.open(0x12)
    if record.timed:
        out.fixed64(0x09, record.time_ns)
    out.number(0x10, record.severity)
    out.text(0x1A, safe_text(record.level))
    body = record.body
    inner = out.open(0x2A)
    out.value(body if type(body) is str else _cleaned(body))  # None: an empty value, as the SDK's exporters write it
    out.close(inner)
    for key, value in log_attributes(record).items():
        out.attribute(0x32, key, value)
    if record.dropped:
        out.number(0x38, record.dropped)
    if record.flags:
        out.fixed32(0x45, record.flags & 0xFF)
    if record.trace_hi or record.trace_lo:
        out.ids(0x4A, record.trace_hi, record.trace_lo)
    if record.id64:
        out.id64(0x52, record.id64)
    out.fixed64(0x59, record.time_ns if record.observed_ns is None else record.observed_ns)
    if record.event_name:
        out.text(0x62, safe_text(record.event_name))
    out.close(begin)


def log_attributes(record: LogRecord) -> dict[str, Any]:
    """Return a record's fields, cleaned, with its exception and place by the semantic conventions.

    A field that the caller gave one of those names stays (OpenTelemetry logs SDK, "Emit a LogRecord").
    """
    attributes = {safe_text(key): _cleaned(value) for key, value in (record.fields or {}).items()}
    error = record.error
    if error is not None:
        longest = record.max_length if record.max_length >= 0 else None
        attributes.setdefault("exception.type", error.type[:longest])
        attributes.setdefault("exception.message", error.message[:longest])
        attributes.setdefault("exception.stacktrace", error.text()[:longest])
    if record.code is not None:
        path, line, function = record.code
        attributes.setdefault("code.file.path", path)
        attributes.setdefault("code.line.number", line)
        attributes.setdefault("code.function.name", function)
    return attributes


def _cleaned(value: Any) -> Any:
    try:
        return values.clean(value)
    except Exception:  # noqa: BLE001 - the value's own __str__: it loses only itself
        return f"<{type(value).__name__}: its text cannot be read>"
