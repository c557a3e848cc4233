"""obsv's records as the OpenTelemetry SDK's objects, for exporters that were written for the SDK. Imports the SDK."""

from __future__ import annotations

from opentelemetry import trace as api
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..hotpath.span import Scope, Span

_KINDS = {kind.value: kind for kind in api.SpanKind}
_STATUSES = {code.value: code for code in api.StatusCode}


def readable(span: Span) -> ReadableSpan:
    """Return a finished span as the SDK's ``ReadableSpan``.

    Args:
        span: A span of obsv's that has ended.

    Example:
        >>> exporter.export([readable(span)])
    """
    trace_id = (span.trace_hi << 64) | span.trace_lo
    parent = None
    if span.parent64:
        parent = _context(trace_id, span.parent64, span.parent_remote, span.flags, span.tracestate)
    description = span.status_message if _field(span, "status") == api.StatusCode.ERROR.value else None
    return ReadableSpan(
        name=str(span.name),
        context=_context(trace_id, span.id64, False, span.flags, span.tracestate),
        parent=parent,
        resource=sdk_resource(span.scope.outlet.resource),
        attributes=_attributes(span.attributes, span.dropped_attributes),
        events=_events(span),
        links=_links(span),
        kind=_KINDS.get(_field(span, "kind"), api.SpanKind.INTERNAL),
        status=api.Status(_STATUSES.get(_field(span, "status"), api.StatusCode.UNSET), description),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=sdk_scope(span.scope),
    )


# The numbers and lists behind a span's public `kind`, `status`, `events` and `links`, where these give OpenTelemetry's
# own types.
_BEHIND = {"kind": "kind_value", "status": "status_value", "events": "event_list", "links": "link_list"}


def _field(span: Span, name: str) -> Any:
    own = _BEHIND[name]
    return getattr(span, own) if hasattr(span, own) else getattr(span, name)


def _context(trace_id: int, span_id: int, remote: bool, flags: int, tracestate: str | None) -> api.SpanContext:
    state = api.TraceState.from_header([tracestate]) if tracestate else api.TraceState()
    return api.SpanContext(trace_id, span_id, remote, api.TraceFlags(flags), state)


def _attributes(found: Mapping[str, Any], dropped: int) -> BoundedAttributes:
    made = BoundedAttributes(None, dict(found), immutable=True)
    made.dropped = dropped
    return made


def _events(span: Span) -> BoundedList[Any]:
    made: BoundedList[Any] = BoundedList(None)
    made.extend(
        [
            Event(event.name, _attributes(event.all_attributes(), event.dropped), event.time_ns)
            for event in _field(span, "events") or ()
        ]
    )
    made.dropped = span.dropped_events
    return made


def _links(span: Span) -> BoundedList[Any]:
    made: BoundedList[Any] = BoundedList(None)
    for link in _field(span, "links") or ():
        trace_id = (link.trace_hi << 64) | link.trace_lo
        context = _context(trace_id, link.id64, True, link.flags, link.tracestate)
        made.append(api.Link(context, _attributes(link.attributes, link.dropped)))
    made.dropped = span.dropped_links
    return made


_known: tuple[dict[str, Any], Resource] | None = None


def sdk_resource(attributes: Mapping[str, Any]) -> Resource:
    """Return the SDK's ``Resource``; the one before, where it says the same (it is the same for a whole process)."""
    global _known
    known = _known
    if known is None or known[0] != attributes:
        known = _known = (dict(attributes), Resource(dict(attributes)))
    return known[1]


def sdk_scope(scope: Scope) -> InstrumentationScope:
    """Return the SDK's ``InstrumentationScope``."""
    return InstrumentationScope(
        str(scope.name or ""), scope.version, scope.schema_url, dict(scope.attributes) if scope.attributes else None
    )
