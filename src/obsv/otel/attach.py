"""A tracer provider of the program's own beside obsv: its spans reach obsv's sinks too, or obsv takes its place.

The setting ``otel_provider`` chooses. A provider is met when it was set before ``init()``, and when the program sets it
afterwards, as every program does that is started by ``obsv run``.
"""

from __future__ import annotations

import os
import threading
from functools import wraps

from opentelemetry import trace as api

from ..hotpath import faults
from ..hotpath.span import OUTLET, PART, SAMPLED, Scope, Span, new_span
from ..patches import in_force

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Flush = Callable[[float], bool]

_MASK64 = (1 << 64) - 1
_SPAN_BYTES = 400
_ATTRIBUTE_BYTES = 128
_MAX_TRACES = 1000
_MAX_SCOPES = 1000


def meet(provider: Any, ours: Any, flush: Flush) -> bool:
    """Do with a provider of the program's what the setting says, and say so in one line.

    Args:
        provider: The global provider.
        ours: obsv's provider.
        flush: Sends what is queued within so many seconds.

    Returns:
        True when ``provider`` stays, or becomes, the global one.
    """
    kind = type(provider)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if in_force().otel_provider == "replace":
        api._TRACER_PROVIDER = ours
        _take_resource(provider)
        faults.tell(f"obsv takes the place of the tracer provider {name}, whose processors get no more spans")
        return False
    add = getattr(provider, "add_span_processor", None)
    if not callable(add):
        faults.tell(f"the tracer provider {name} stays and its spans are not obsv's: it takes no span processors")
        return True
    if any(known is provider for known in _met):
        return True
    try:
        add(Processor(flush))
    except Exception as error:  # noqa: BLE001 - somebody else's provider
        faults.report(f"attaching to the tracer provider {name}", error)
        return True
    _met.append(provider)
    _take_resource(provider)
    faults.tell(f"the tracer provider {name} stays, and obsv gets its spans too (or alone: OBSV_OTEL_PROVIDER=replace)")
    return True


_met: list[Any] = []
_resource: dict[str, Any] = {}


def _take_resource(provider: Any) -> None:
    """Take over what the program told its provider about itself, and nobody told obsv."""
    try:
        theirs = dict(provider.resource.attributes)
    except Exception:  # noqa: BLE001 - a provider without a resource
        return
    _resource.update({key: value for key, value in theirs.items() if key not in OUTLET.resource})
    name = theirs.get("service.name")
    if not in_force().is_set("service") and isinstance(name, str) and not name.startswith("unknown_service"):
        _resource["service.name"] = name
    OUTLET.resource.update(_resource)


def _after_fork() -> None:
    if OUTLET.resource:
        OUTLET.resource.update(_resource)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def watch(ours: Any, flush: Flush) -> None:
    """Meet the provider that the program sets while obsv's is the global one.

    OpenTelemetry alone would refuse it with a warning, and its processors and exporters would never see a span.
    """
    original = api.set_tracer_provider
    if getattr(original, "_obsv", False):
        return

    @wraps(original)
    def set_tracer_provider(tracer_provider: api.TracerProvider) -> None:
        if api._TRACER_PROVIDER is not ours or not _is_theirs(tracer_provider) or not OUTLET.enabled:
            original(tracer_provider)
        elif meet(tracer_provider, ours, flush):
            api._TRACER_PROVIDER = tracer_provider

    set_tracer_provider._obsv = True  # type: ignore[attr-defined]
    api.set_tracer_provider = set_tracer_provider


def _is_theirs(provider: Any) -> bool:
    """Tell whether a provider makes spans of its own: not one of ours, not a no-op."""
    if any(base.__module__.partition(".")[0] == "obsv" for base in type(provider).__mro__):
        return False
    return callable(getattr(provider, "add_span_processor", None))


class Processor:
    """An OpenTelemetry ``SpanProcessor`` that hands finished spans to obsv's sinks.

    No subclass of the SDK's, so that the SDK is not loaded for a provider that is not the SDK's. Spans wait for the
    local root of their trace, as obsv's own do.
    """

    def __init__(self, flush: Flush) -> None:
        self._flush = flush
        self._lock = threading.Lock()
        self._scopes: dict[Any, Scope] = {}
        self._waiting: dict[int, tuple[int, list[Span]]] = {}  # trace id: id of the local root, finished spans
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        self._waiting = {}  # the parent process sends them

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Note where a local trace begins."""
        try:
            parent = span.parent
            if parent is not None and not parent.is_remote:
                return
            context = span.get_span_context()
            with self._lock:
                if context.trace_id not in self._waiting and len(self._waiting) < _MAX_TRACES:
                    self._waiting[context.trace_id] = (context.span_id, [])
        except Exception as error:  # noqa: BLE001 - somebody else's span
            faults.report("a span of another tracer provider", error)

    def _on_ending(self, span: Any) -> None:
        """Do nothing: the span is read when it has ended."""

    def on_end(self, span: Any) -> None:
        """Take a finished span over, if it is sampled."""
        if not OUTLET.enabled:
            return
        try:
            context = span.get_span_context()
            spans = [self._convert(span, context)] if int(context.trace_flags) & SAMPLED else []
            with self._lock:
                root, waiting = self._waiting.get(context.trace_id, (0, None))
                if waiting is not None:
                    waiting.extend(spans)
                    spans = waiting
                    if root == context.span_id:
                        del self._waiting[context.trace_id]
                    elif len(waiting) < PART:
                        return
                    else:
                        self._waiting[context.trace_id] = (root, [])
            _hand_over(spans)
        except Exception as error:  # noqa: BLE001 - as above
            faults.report("a span of another tracer provider", error)

    def _convert(self, span: Any, context: Any) -> Span:
        """Return obsv's form of a ``ReadableSpan``; obsv's own limits hold."""
        made = new_span(self._scope(span), str(span.name), span.kind.value)
        made.started = True
        made.trace_hi, made.trace_lo, made.id64 = context.trace_id >> 64, context.trace_id & _MASK64, context.span_id
        made.flags = int(context.trace_flags) & 0xFF
        made.tracestate = context.trace_state.to_header() if context.trace_state else None
        if span.parent is not None:
            made.parent64, made.parent_remote = span.parent.span_id, bool(span.parent.is_remote)
        made.start_ns = span.start_time or 0
        made.end_ns = span.end_time or made.start_ns
        made.set_attributes(span.attributes or {})
        made.dropped_attributes += span.dropped_attributes
        for event in span.events:
            made.add_event(event.name, event.attributes, event.timestamp)
        made.dropped_events += span.dropped_events
        for link in span.links:
            made.add_link(link.context, link.attributes)
        made.dropped_links += span.dropped_links
        made.set_status(span.status)
        made.recording = False
        made.ended = True
        return made

    def _scope(self, span: Any) -> Scope:
        theirs = span.instrumentation_scope
        if theirs is None:
            return Scope("")
        key = (theirs.name, theirs.version, theirs.schema_url)
        scope = None if theirs.attributes else self._scopes.get(key)
        if scope is None:
            attributes = dict(theirs.attributes) if theirs.attributes else None
            scope = Scope(theirs.name, theirs.version or None, OUTLET, theirs.schema_url or None, attributes)
            if attributes is None and len(self._scopes) < _MAX_SCOPES:
                self._scopes[key] = scope
        return scope

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued; True when everything left in time."""
        return self._flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Send what is queued, unfinished traces too. obsv itself goes on."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for _, spans in waiting.values():
            _hand_over(spans)
        self._flush(30.0)


def _hand_over(spans: list[Span]) -> None:
    if spans:
        size = sum([_SPAN_BYTES + _ATTRIBUTE_BYTES * len(span.attributes) + span.extra for span in spans])
        for queue in OUTLET.queues:
            queue.put(spans, len(spans), size)
