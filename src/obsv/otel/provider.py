"""OpenTelemetry's tracer provider and tracer, over obsv's spans.

Nothing that a program passes makes them raise: what cannot be used is left out and told, and the span is kept.
"""

from __future__ import annotations

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.trace.propagation import _SPAN_KEY

from ..hotpath import faults
from ..hotpath.errors import safe_text
from ..hotpath.span import OUTLET, Scope, Span, _moment, attach, current, detach, new_span, start_span
from ..hotpath.wrap import Call, decorate, wrap
from . import attach as foreign
from .context import as_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any

MAX_TRACERS = 1000
"""Tracers that are remembered. A program that makes a scope for each request must not fill the memory."""


class TracerProvider(api.TracerProvider):
    """Give out tracers whose spans go where ``obsv.init()`` sends them.

    Args:
        flush: Sends what is queued within so many seconds and tells whether everything left.
    """

    def __init__(self, flush: Callable[[float], bool]) -> None:
        self._flush = flush
        self._tracers: dict[tuple[str, str | None, str | None], Tracer] = {}

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tracer:
        """Return the tracer of an instrumentation scope."""
        name = _text(instrumenting_module_name) or ""
        version, schema_url = _text(instrumenting_library_version), _text(schema_url)
        cleaned = _cleaned(attributes)
        if cleaned:
            return Tracer(Scope(name, version, OUTLET, schema_url, cleaned))
        key = (name, version, schema_url)
        tracer = self._tracers.get(key)
        if tracer is None:
            tracer = Tracer(Scope(name, version, OUTLET, schema_url))
            if len(self._tracers) < MAX_TRACERS:
                tracer = self._tracers.setdefault(key, tracer)
        return tracer

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued; True when everything left in time."""
        try:
            seconds = timeout_millis / 1000
        except Exception:  # noqa: BLE001 - whatever was given
            faults.tell("force_flush() needs milliseconds; 30,000 are used", key="force_flush")
            seconds = 30.0
        return self._flush(seconds)

    def shutdown(self) -> None:
        """Send what is queued. obsv itself goes on: ``obsv.shutdown()`` ends it."""
        self.force_flush()


class Tracer(api.Tracer):
    """Make spans of one scope."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: api.SpanKind = api.SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[api.Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Any:
        """Start a span that is not current (OpenTelemetry API, "Span Creation")."""
        parent = current() if context is None else context
        made = start_span(self._scope, _name(name), _kind(kind), parent, attributes)
        if links is not None:
            _link(made, links)
        if start_time is not None:
            made.start_ns = _moment(start_time, made.start_ns)
        return made

    def start_as_current_span(
        self,
        name: str,
        context: Context | None = None,
        kind: api.SpanKind = api.SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[api.Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Any:
        """Return a context manager, usable as decorator too, whose block runs inside a new span."""
        plain = context is None and links is None and start_time is None
        if plain and record_exception is True and set_status_on_exception is True and end_on_exit is True:
            span = new_span(self._scope, _name(name), _kind(kind))
            if attributes is not None:
                span.set_attributes(attributes)
            return span
        return _Current(
            self._scope,
            lambda: self.start_span(name, context, kind, attributes, links, start_time),
            bool(record_exception),
            bool(set_status_on_exception),
            bool(end_on_exit),
        )


class _Current(Context):
    """The rarer forms of ``start_as_current_span``: a parent of one's own, links, a start time, or other handling of
    exceptions.

    To :mod:`obsv.hotpath.wrap` it is what a span is: it begins, is current, fails and ends. What is current is this
    itself, a ``Context``: the one from before with the span in it, not the one that was given as parent (OpenTelemetry
    API, ``use_span``).
    """

    def __init__(self, scope: Scope, start: Callable[[], Span], record: bool, status: bool, end: bool) -> None:
        super().__init__()
        self._scope = scope
        self._start = start
        self._record = record
        self._status = status
        self._end = end
        self._span: Span | None = None
        self._token: Any = None

    def begin(self, parent: Any) -> Span:
        """Start the span; ``parent`` is what was current: what is in it beside a span (baggage) stays visible."""
        self._span = span = self._start()
        dict.update(self, as_context(parent))
        dict.__setitem__(self, _SPAN_KEY, span)
        return span

    @property
    def id64(self) -> int:
        """The span's id, 0 where nothing is traced."""
        return self._span.id64 if self._span is not None else 0

    def fail(self, error: BaseException) -> None:
        """Record an exception that leaves the block, as far as it was asked for."""
        span = self._span
        if span is None or not isinstance(error, Exception):
            return
        if self._record and self._status:
            span.fail(error)
        elif self._record:
            span.record_exception(error, escaped=True)
        elif self._status:
            span.set_status("error", f"{type(error).__name__}: {safe_text(error)}")

    def end(self) -> None:
        """End the span, unless it was asked to go on."""
        if self._end and self._span is not None:
            self._span.end()

    def __enter__(self) -> Span:
        span = self.begin(current())
        self._token = attach(self) if span.id64 else None
        return span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            detach(token)
        if error is not None:
            self.fail(error)
        self.end()

    def __call__(self, function: Any) -> Any:
        """Decorate a function of any kind: each call gets a span of its own."""
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self(function.__func__))
        if isinstance(function, type) or not callable(function):
            return decorate(function, self._scope, "", 0, {})  # says that it cannot be
        return wrap(function, _EachCall(self), False)


class _EachCall(Call):
    """Calls that each get their span from a :class:`_Current` like the first."""

    __slots__ = ("first",)

    def __init__(self, first: _Current) -> None:
        super().__init__(first._scope, "", 0)
        self.first = first

    def span(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self.scope.outlet.enabled:
            return None
        first = self.first
        return _Current(first._scope, first._start, first._record, first._status, first._end)


def _name(name: object) -> str:
    return name if type(name) is str else safe_text(name)


def _text(value: object) -> str | None:
    return value if value is None or type(value) is str else safe_text(value)


def _kind(kind: Any) -> int:
    """Return the number of a ``SpanKind``; such a number itself is taken too."""
    number = getattr(kind, "value", kind)
    if type(number) is int and 0 <= number <= 4:
        return number
    faults.tell(f"the kind {safe_text(kind)[:40]} is not taken: a SpanKind is needed; INTERNAL is used", key="kind")
    return 0


def _link(span: Span, links: Any) -> None:
    try:
        found = list(links)
    except Exception:  # noqa: BLE001 - not iterable
        span.dropped_links += 1
        faults.report("links of a span")
        return
    for link in found:
        try:
            context, attributes = link.context, link.attributes
        except Exception:  # noqa: BLE001 - no Link
            span.dropped_links += 1
            faults.report("links of a span")
            continue
        span.add_link(context, attributes)


def _cleaned(attributes: Any) -> dict[str, Any]:
    """Return a scope's attributes as a span would keep them."""
    if attributes is None:
        return {}
    span = new_span(Scope(""), "", 0)
    span.set_attributes(attributes)
    return span.attributes


_provider: TracerProvider | None = None


def install(flush: Callable[[float], bool]) -> None:
    """Make obsv's provider the global one, unless the program has set another already."""
    global _provider
    api.Span.register(Span)
    if _provider is None:
        _provider = TracerProvider(flush)
    if api._TRACER_PROVIDER is None:
        api.set_tracer_provider(_provider)
    elif api._TRACER_PROVIDER is not _provider:
        foreign.meet(api._TRACER_PROVIDER, _provider, flush)
    foreign.watch(_provider, flush)


__all__ = ["MAX_TRACERS", "Tracer", "TracerProvider", "install"]
