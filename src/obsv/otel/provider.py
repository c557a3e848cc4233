"""OpenTelemetry's tracer provider and tracer, over obsv's spans.

Nothing that a program passes makes them raise: what cannot be used is left out and told, and the span is kept.
"""

from __future__ import annotations

from functools import partial
from time import monotonic

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.trace.propagation import _SPAN_KEY

from .. import guests
from ..hotpath import faults
from ..hotpath.around import Call
from ..hotpath.errors import safe_text
from ..hotpath.span import NO_RECORD, NO_STATUS, OUTLET, Scope, Span, _moment, attach, current, detach, new_span
from ..hotpath.wrap import decorate, wrap
from . import attach as foreign
from .context import as_context
from .resource import resource_of
from .warnings import warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from ..hotpath.span import Outlet

_INTERNAL = api.SpanKind.INTERNAL

MAX_TRACERS = 1000
"""Tracers that are remembered. A program that makes a scope for each request must not fill the memory."""


class BaseProvider(api.TracerProvider):
    """What the provider of ``obsv.init()`` and :class:`obsv.otel.TracerProvider` have in common.

    The names of the attributes, private ones too, are those of the SDK's provider, because popular tools read and set
    them.
    """

    _disabled = False
    _tracer_configurator: Callable[[Any], Any] | None = None

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        outlet.owner = self
        self._tracers: dict[Any, Tracer] = {}

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the tracer of an instrumentation scope; for the same scope the same one."""
        if self._disabled:
            return api.NoOpTracer()
        name = _text(instrumenting_module_name) or ""
        if not name:
            warn("get_tracer() without a module name;", error=True)
        version, schema_url = _text(instrumenting_library_version), _text(schema_url)
        cleaned = _cleaned(attributes)
        key = (name, version or "", schema_url, repr(sorted(cleaned.items())) if cleaned else "")
        tracer = self._tracers.get(key)
        if tracer is None:
            tracer = Tracer(self, Scope(name, version, self._outlet, schema_url, cleaned or None, True))
            if self._tracer_configurator is not None:
                tracer._configure(self._tracer_configurator)
            if len(self._tracers) < MAX_TRACERS:
                tracer = self._tracers.setdefault(key, tracer)
        return tracer

    @property
    def resource(self) -> Any:
        """The ``opentelemetry.sdk.resources.Resource`` of the spans."""
        return resource_of(self._outlet)

    def add_span_processor(self, span_processor: Any) -> None:
        """Tell a processor of every span from now on, also of tracers and spans that are there already."""
        self._active_span_processor.add_span_processor(span_processor)

    @property
    def _active_span_processor(self) -> Any:
        raise NotImplementedError


class InitProvider(BaseProvider):
    """The provider of ``obsv.init()``: its spans go to obsv's sinks, and to the processors that somebody adds.

    The SDK is loaded when the first processor comes, or when somebody looks at what only the SDK has.

    Args:
        flush: Sends what is queued within so many seconds and tells whether everything left.
    """

    def __init__(self, flush: Callable[[float], bool]) -> None:
        super().__init__(OUTLET)
        self._flush = flush
        self._processor: Any = None
        self._shut = False

    @property
    def _active_span_processor(self) -> Any:
        if self._processor is None:
            from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor

            from .processors import Listener

            self._processor = processor = SynchronousMultiSpanProcessor()  # type: ignore[no-untyped-call]
            OUTLET.listener = Listener(lambda: self._processor or processor)
            guests.add(guests.Guest("span processors", self._flush_processors, self._let_go))
        return self._processor

    @_active_span_processor.setter
    def _active_span_processor(self, processor: Any) -> None:
        self._active_span_processor  # noqa: B018 - makes the listener
        self._processor = processor

    def _flush_processors(self, seconds: float) -> bool:
        if self._processor is None or self._shut:
            return True
        from .processors import flush

        return flush(self._processor, seconds * 1000)

    def _shut_processors(self) -> None:
        if self._processor is not None:
            from .processors import shut

            self._shut = True
            shut(self._processor)

    def _let_go(self) -> Callable[[float], bool]:
        """Forget the processors, so that another ``init()`` begins with none; return what shuts them down with obsv,
        unless the program has."""
        from .processors import shut

        processor, ended = self._processor, self._shut
        self._processor, self._shut = None, False
        OUTLET.listener = None
        return lambda seconds: ended or processor is None or shut(processor)

    def add_span_processor(self, span_processor: Any) -> None:
        """Tell a processor of every span from now on, also of tracers and spans that are there already."""
        self._shut = False
        super().add_span_processor(span_processor)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued; True when everything left in time."""
        seconds = milliseconds(timeout_millis) / 1000
        deadline = monotonic() + seconds
        flushed = self._flush_processors(seconds)
        return self._flush(max(0.0, deadline - monotonic())) and flushed

    def shutdown(self) -> None:
        """Send what is queued, and shut the processors down. obsv itself goes on: ``obsv.shutdown()`` ends it."""
        self._shut_processors()
        self._flush(30.0)

    @property
    def sampler(self) -> Any:
        """The sampler, as the SDK's class: what obsv was told by its settings, or what somebody has set here."""
        governor = OUTLET.governor
        if governor is not None:
            return governor.sampler  # type: ignore[attr-defined]
        from opentelemetry.sdk.trace.sampling import DEFAULT_ON, ParentBased, ParentBasedTraceIdRatio

        decider = getattr(OUTLET.sampler, "decider", None)
        if decider is not None:
            from .xray_sampler import XRaySampler

            return ParentBased(XRaySampler.around(decider))
        return DEFAULT_ON if OUTLET.sample_all else ParentBasedTraceIdRatio(OUTLET.threshold / 2**64)

    @sampler.setter
    def sampler(self, sampler: Any) -> None:
        from .sampling import govern

        self._active_span_processor  # noqa: B018 - makes the listener
        govern(OUTLET, sampler, None)

    @property
    def id_generator(self) -> Any:
        """The SDK's generator; the spans' ids are made by obsv, in the same way."""
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        return RandomIdGenerator()


class Tracer(api.Tracer):
    """Make spans of one scope.

    Attributes that the SDK's tracer has are there too, made when they are read.
    """

    _tracer_config: Any = None

    def __init__(self, provider: BaseProvider, scope: Scope) -> None:
        self._provider = provider
        self._scope = scope
        self._enabled = True

    def _is_enabled(self) -> bool:
        return self._enabled

    def _configure(self, configurator: Callable[[Any], Any]) -> None:
        """Take over what a tracer configurator says of this scope; one that fails leaves the tracer on."""
        try:
            config = configurator(self._instrumentation_scope)
        except Exception as error:  # noqa: BLE001 - a configurator of the user's
            faults.report("tracer configurator", error)
            from opentelemetry.sdk.trace import _TracerConfig

            config = _TracerConfig.default()  # type: ignore[no-untyped-call]
        self._tracer_config = config
        self._enabled = bool(config.is_enabled)

    @property
    def _instrumentation_scope(self) -> Any:
        from .view import scope_of

        return scope_of(self._scope)

    @property
    def instrumentation_info(self) -> Any:
        """The scope in the form that OpenTelemetry 1.11 deprecated."""
        from .view import info_of

        return info_of(self._scope)

    @property
    def resource(self) -> Any:
        """The provider's resource."""
        return resource_of(self._scope.outlet)

    @property
    def sampler(self) -> Any:
        """The provider's sampler."""
        return self._provider.sampler  # type: ignore[attr-defined]

    @property
    def id_generator(self) -> Any:
        """The provider's id generator."""
        return self._provider.id_generator  # type: ignore[attr-defined]

    @property
    def span_processor(self) -> Any:
        """The provider's processors."""
        return self._provider._active_span_processor

    @property
    def _span_limits(self) -> Any:
        return getattr(self._provider, "_span_limits", None)

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
        if not self._enabled:
            return api.NonRecordingSpan(api.get_current_span(context).get_span_context())
        made = new_span(
            self._scope, name if type(name) is str else safe_text(name), 0 if kind is _INTERNAL else _kind(kind)
        )
        if attributes is not None:
            made.set_attributes(attributes)
        if links is not None:
            _link(made, links)
        if start_time is not None:
            # 0 would mean now
            made.start_given = 1 if type(start_time) is int and not start_time else _moment(start_time, 0)
        if record_exception is not True or set_status_on_exception is not True:
            made.quiet = (0 if record_exception else NO_RECORD) | (0 if set_status_on_exception else NO_STATUS)
        made.begin(current() if context is None else context)
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
        if (
            plain
            and self._enabled
            and record_exception is True
            and set_status_on_exception is True
            and end_on_exit is True
        ):
            span = new_span(
                self._scope, name if type(name) is str else safe_text(name), 0 if kind is _INTERNAL else _kind(kind)
            )
            if attributes is not None:
                span.set_attributes(attributes)
            return span
        how = (record_exception, set_status_on_exception)
        # Not a lambda: what it holds would cost the calls above, too.
        start = partial(self.start_span, name, context, kind, attributes, links, start_time, *how)
        return _Current(self._scope, start, bool(record_exception), bool(set_status_on_exception), bool(end_on_exit))


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

    @property
    def started(self) -> bool:
        """Whether it has begun."""
        return self._span is not None

    def fail(self, error: BaseException) -> None:
        """Record an exception that leaves the block, as far as it was asked for."""
        span = self._span
        if span is None or not isinstance(error, Exception):
            return
        if self._record and self._status:
            span.fail(error)
        elif self._record:
            span.record_exception(error)
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

    def make(self) -> Any:
        first = self.first
        return _Current(first._scope, first._start, first._record, first._status, first._end)


def milliseconds(timeout: Any) -> float:
    """Return how long a ``force_flush()`` may take, by what was given."""
    try:
        return float(timeout)
    except Exception:  # noqa: BLE001 - whatever was given
        faults.tell("force_flush() needs milliseconds; 30,000 are used", key="force_flush")
        return 30_000.0


def _text(value: object) -> str | None:
    return value if value is None or type(value) is str else safe_text(value)


def _kind(kind: Any) -> int:
    """Return the number of a ``SpanKind``; such a number itself is taken too."""
    number = getattr(kind, "_value_", kind)  # `value` is a property in Python, which costs as much as a span
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


_provider: InitProvider | None = None


def listener_of_init() -> Any:
    """Return the listener of obsv's own outlet, made when it is first needed. Loads the SDK."""
    global _provider
    if _provider is None:
        _provider = InitProvider(_flush)
    _provider._active_span_processor  # noqa: B018 - makes the listener
    return OUTLET.listener


def _flush(seconds: float) -> bool:
    from ..runtime import flush_sinks

    return flush_sinks(seconds)


def install(flush: Callable[[float], bool]) -> None:
    """Make obsv's provider the global one, unless the program has set another already."""
    global _provider
    if _provider is None:
        _provider = InitProvider(flush)
    if api._TRACER_PROVIDER is None:
        api.set_tracer_provider(_provider)
    elif api._TRACER_PROVIDER is not _provider:
        foreign.meet(api._TRACER_PROVIDER, _provider, flush)
    foreign.watch(_provider, flush)


__all__ = ["MAX_TRACERS", "BaseProvider", "InitProvider", "Tracer", "install"]
