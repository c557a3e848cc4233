"""obsv's spans as the OpenTelemetry SDK shows spans: for processors and exporters made for it.

Loading this loads the SDK.
"""

from __future__ import annotations

import copy
import warnings

from opentelemetry import trace as api
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo, InstrumentationScope

from .readable import end_time, kind, parent, start_time, status
from .resource import resource_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..hotpath import records
    from ..hotpath.span import Scope, Span

_UNLIMITED = 2**31


def readable(span: Span) -> ReadableSpan:
    """Return a plain ``ReadableSpan``, which later changes of ``span`` do not reach."""
    return _plain({**{name: make(span) for name, make in FIELDS.items()}, "_attributes": _attributes_copy(span)})


class SpanView(ReadableSpan):
    """A ``ReadableSpan`` over a finished span of ours.

    The private attributes that ``ReadableSpan`` works on are made on demand, so a processor that only queues the span
    costs nearly nothing; they can be set, too, which changes the view and not the span. (Of what processors set
    in their ``on_end``, :mod:`obsv.otel.processors` takes name and attributes over for obsv's own sinks.)
    """

    def __init__(self, span: Span) -> None:
        self.__dict__["_of"] = span

    def __getattr__(self, name: str) -> Any:
        make = FIELDS.get(name)
        if make is None or "_of" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = self.__dict__[name] = make(self._of)
        return value

    def __reduce__(self) -> Any:
        return _plain, (self._whole().__dict__,)

    def __deepcopy__(self, memo: Any) -> ReadableSpan:
        made = self._whole()
        made._attributes = _bounded(copy.deepcopy(dict(made._attributes or {})), self.dropped_attributes)
        return made

    def _whole(self) -> ReadableSpan:
        """Return a plain ``ReadableSpan`` with what was changed in this view."""
        made = readable(self._of)
        made.__dict__.update({name: value for name, value in self.__dict__.items() if name != "_of"})
        return made


def _plain(fields: dict[str, Any]) -> ReadableSpan:
    made = ReadableSpan.__new__(ReadableSpan)
    made.__dict__.update(fields)
    return made


def _attributes_copy(span: Span) -> BoundedAttributes:
    return _bounded(copy.deepcopy(span.attributes), span.dropped_attributes)


# ---------------------------------------------------------------------- fields


def _bounded(attributes: Any, dropped: int) -> BoundedAttributes:
    """Return values that are clean already, without cleaning them again."""
    bounded = BoundedAttributes(None)
    bounded._dict = attributes
    bounded.dropped = dropped
    return bounded


def _list(items: Any, dropped: int) -> BoundedList[Any]:
    made = BoundedList.from_seq(None, items)
    made.dropped = dropped
    return made


def _events(span: Span) -> tuple[Event, ...]:
    return tuple([_event(event) for event in span.event_list or ()])


def _event(event: records.Event) -> Event:
    return Event(event.name, _bounded(*event.written()), event.time_ns)


def _links(span: Span) -> tuple[api.Link, ...]:
    return tuple([_link(link) for link in span.link_list or ()])


def _link(link: records.Link) -> api.Link:
    context = link.context
    if context is None:
        state = api.TraceState.from_header([link.tracestate]) if link.tracestate else api.TraceState()
        trace_id = (link.trace_hi << 64) | link.trace_lo
        context = api.SpanContext(trace_id, link.id64, False, api.TraceFlags(link.flags), state)
    return api.Link(context, _bounded(link.attributes, link.dropped))


def scope_of(scope: Scope) -> InstrumentationScope:
    """Return the SDK's ``InstrumentationScope`` of a scope of ours."""
    if scope.shown is None:
        scope.shown = InstrumentationScope(scope.name, scope.version or "", scope.schema_url, scope.attributes)
    shown: InstrumentationScope = scope.shown
    return shown


def info_of(scope: Scope) -> InstrumentationInfo:
    """Return the deprecated form of a scope."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # whoever reads the property is warned by the property
        return InstrumentationInfo(scope.name, scope.version or "", scope.schema_url)


def _deprecated_info(span: Span) -> InstrumentationInfo:
    warnings.warn("instrumentation_info is instrumentation_scope since 1.11.1", DeprecationWarning, stacklevel=4)
    return info_of(span.scope)


def _resource(span: Span) -> Any:
    return resource_of(span.scope.outlet)


def _limits(span: Span) -> SpanLimits:
    owner = span.scope.outlet.owner
    limits: SpanLimits | None = getattr(owner, "_span_limits", None)
    if limits is not None:
        return limits
    outlet = span.scope.outlet
    count = SpanLimits.UNSET if outlet.max_attributes > _UNLIMITED else outlet.max_attributes
    return SpanLimits(max_span_attributes=count, max_span_attribute_length=outlet.max_length)


FIELDS: dict[str, Callable[[Span], Any]] = {
    "_name": lambda span: span.name,
    "_context": lambda span: span.get_span_context(),
    "_kind": kind,
    "_instrumentation_info": lambda span: info_of(span.scope),
    "_instrumentation_scope": lambda span: scope_of(span.scope),
    "_parent": parent,
    "_start_time": start_time,
    "_end_time": end_time,
    "_attributes": lambda span: _bounded(span.attributes, span.dropped_attributes),
    "_events": lambda span: _list(_events(span), span.dropped_events),
    "_links": lambda span: _list(_links(span), span.dropped_links),
    "_resource": _resource,
    "_status": status,
}
"""The attributes on which ``ReadableSpan`` works."""

ANSWERS: dict[str, Callable[[Span], Any]] = {
    "events": _events,
    "links": _links,
    "resource": _resource,
    "instrumentation_scope": FIELDS["_instrumentation_scope"],
    "instrumentation_info": _deprecated_info,
    "_readable_span": lambda span: lambda: readable(span),
    "_limits": _limits,
    "_format_context": lambda _: ReadableSpan._format_context,
    "_format_attributes": lambda _: ReadableSpan._format_attributes,
    "_format_events": lambda _: ReadableSpan._format_events,
    "_format_links": lambda _: ReadableSpan._format_links,
}
"""What a live span answers beside what :data:`obsv.otel.readable.ANSWERS` has."""
