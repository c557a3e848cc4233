"""The face that a span shows to code written for OpenTelemetry's SDK: names, types and private attributes of its spans.

Nothing here costs anything until it is asked for: :mod:`obsv.otel.readable` has the answers.

They are properties one by one, not a ``__getattr__``: with that, CPython would look up every method of a span more
slowly (no method cache for types with a look-up of their own).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _read(span: Any, name: str) -> Any:
    """Answer for the properties: called with the span and the property's name."""
    from importlib import import_module

    # By name and when first asked: the hot path imports nothing of obsv, and nobody pays for what nobody reads.
    return import_module("obsv.otel.readable").read(span, name)


class Readable:
    """Base of :class:`obsv.hotpath.span.Span`: what ``opentelemetry.sdk.trace.Span`` has, in its types."""

    __slots__ = ()

    @property
    def kind(self) -> Any:
        """The ``opentelemetry.trace.SpanKind``."""
        return _read(self, "kind")

    @property
    def status(self) -> Any:
        """The ``opentelemetry.trace.Status``."""
        return _read(self, "status")

    @property
    def events(self) -> Any:
        """The events, a tuple: each has ``name``, ``timestamp`` (nanoseconds) and ``attributes``."""
        return _read(self, "events")

    @property
    def links(self) -> Any:
        """The links, a tuple: each has ``context`` and ``attributes``."""
        return _read(self, "links")

    @property
    def context(self) -> Any:
        """The ``opentelemetry.trace.SpanContext``."""
        return _read(self, "context")

    @property
    def parent(self) -> Any:
        """The parent's ``SpanContext``, None for a root."""
        return _read(self, "parent")

    @property
    def start_time(self) -> Any:
        """Nanoseconds since the Unix epoch, None before the span begins."""
        return _read(self, "start_time")

    @property
    def end_time(self) -> Any:
        """Nanoseconds since the Unix epoch, None until the span ends."""
        return _read(self, "end_time")

    @property
    def resource(self) -> Any:
        """The ``opentelemetry.sdk.resources.Resource``."""
        return _read(self, "resource")

    @property
    def instrumentation_scope(self) -> Any:
        """The SDK's ``InstrumentationScope``."""
        return _read(self, "instrumentation_scope")

    @property
    def instrumentation_info(self) -> Any:
        """The scope in the form that OpenTelemetry 1.11 deprecated."""
        return _read(self, "instrumentation_info")

    def to_json(self, indent: int | None = 4) -> str:
        """Return the span as JSON, in the form of the SDK's ``ReadableSpan.to_json``."""
        text: str = _read(self, "_readable_span")().to_json(indent)
        return text

    def __deepcopy__(self, memo: Any) -> Any:
        return _read(self, "_readable_span")()

    # ------------------------------------------------------------------ private names that popular tools read

    @property
    def _readable_span(self) -> Any:
        return _read(self, "_readable_span")

    @property
    def _name(self) -> Any:
        return _read(self, "_name")

    @_name.setter
    def _name(self, value: Any) -> None:
        _read(self, "set_name")(value)

    @property
    def _attributes(self) -> Any:
        return _read(self, "_attributes")

    @_attributes.setter
    def _attributes(self, value: Any) -> None:
        _read(self, "set_attributes")(value)

    @property
    def _end_time(self) -> Any:
        return _read(self, "end_time")

    @_end_time.setter
    def _end_time(self, value: Any) -> None:
        _read(self, "set_end_time")(value)

    @property
    def _start_time(self) -> Any:
        return _read(self, "start_time")

    @property
    def _kind(self) -> Any:
        return _read(self, "kind")

    @_kind.setter
    def _kind(self, value: Any) -> None:
        _read(self, "set_kind")(value)

    @property
    def _context(self) -> Any:
        return _read(self, "context")

    @property
    def _parent(self) -> Any:
        return _read(self, "parent")

    @property
    def _status(self) -> Any:
        return _read(self, "status")

    @property
    def _events(self) -> Any:
        return _read(self, "events")

    @property
    def _links(self) -> Any:
        return _read(self, "links")

    @property
    def _resource(self) -> Any:
        return _read(self, "resource")

    @property
    def _instrumentation_scope(self) -> Any:
        return _read(self, "instrumentation_scope")

    @property
    def _limits(self) -> Any:
        return _read(self, "_limits")

    @property
    def _span_processor(self) -> Any:
        return _read(self, "_span_processor")

    @property
    def _format_context(self) -> Any:
        return _read(self, "_format_context")

    @property
    def _format_attributes(self) -> Any:
        return _read(self, "_format_attributes")

    @property
    def _format_events(self) -> Any:
        return _read(self, "_format_events")

    @property
    def _format_links(self) -> Any:
        return _read(self, "_format_links")
