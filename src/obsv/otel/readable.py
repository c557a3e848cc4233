"""What a live span of obsv's answers when it is looked at as a span of OpenTelemetry's SDK.

Asked for through the properties of :class:`obsv.hotpath.readable.Readable`. What OpenTelemetry's API can say is said
here; the rest needs classes of the SDK, stands in :mod:`obsv.otel.view`, and loads the SDK.
"""

from __future__ import annotations

from opentelemetry import trace as api

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..hotpath.span import Span

_KINDS = {kind.value: kind for kind in api.SpanKind}
_STATUSES = {code.value: code for code in api.StatusCode}


def read(span: Span, name: str) -> Any:
    """Return what a property of :class:`obsv.hotpath.readable.Readable` says."""
    answer = ANSWERS.get(name)
    if answer is None:
        from .view import ANSWERS as OF_THE_SDK

        answer = OF_THE_SDK[name]
    return answer(span)


def kind(span: Span) -> api.SpanKind:
    return _KINDS[span.kind_value]


def status(span: Span) -> api.Status:
    return api.Status(_STATUSES[span.status_value], span.status_message)


def parent(span: Span) -> api.SpanContext | None:
    if span.parent_context is None and span.parent64:
        trace = span.trace
        span.parent_context = (
            _make_parent(span) if trace is None else trace.context_of(span.parent64, lambda: _make_parent(span))
        )
    found: api.SpanContext | None = span.parent_context
    return found


def _make_parent(span: Span) -> api.SpanContext:
    state = api.TraceState.from_header([span.tracestate]) if span.tracestate else api.TraceState()
    trace_id = (span.trace_hi << 64) | span.trace_lo
    return api.SpanContext(trace_id, span.parent64, span.parent_remote, api.TraceFlags(span.flags), state)


def start_time(span: Span) -> int | None:
    return span.start_ns or None


def end_time(span: Span) -> int | None:
    return span.end_ns if span.ended and span.start_ns else None


# ---------------------------------------------------------------------- what tools set


def _rename(span: Span) -> Callable[[Any], None]:
    def change(name: Any) -> None:
        span.name = name

    return change


def _set_kind(span: Span) -> Callable[[Any], None]:
    def change(kind: Any) -> None:
        span.kind_value = getattr(kind, "value", kind)

    return change


def _set_attributes(span: Span) -> Callable[[Any], None]:
    def change(attributes: Any) -> None:
        span.attributes = dict(attributes)

    return change


def _set_end(span: Span) -> Callable[[Any], None]:
    def change(time_ns: Any) -> None:
        if time_ns is not None:
            span.end_ns = int(time_ns)

    return change


ANSWERS: dict[str, Callable[[Span], Any]] = {
    "kind": kind,
    "status": status,
    "context": lambda span: span.get_span_context(),
    "parent": parent,
    "start_time": start_time,
    "end_time": end_time,
    "_name": lambda span: span.name,
    "_attributes": lambda span: span.attributes,
    "_span_processor": lambda span: getattr(span.scope.outlet.owner, "_active_span_processor", None),
    "set_name": _rename,
    "set_kind": _set_kind,
    "set_attributes": _set_attributes,
    "set_end_time": _set_end,
}
"""By the names that :class:`obsv.hotpath.readable.Readable` asks for."""
