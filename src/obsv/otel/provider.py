"""OpenTelemetry's tracer provider and tracer, over obsv's spans."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import wraps

from opentelemetry import trace as api

from ..hotpath import faults
from ..hotpath.span import OUTLET, SCOPE, Scope, Span, attach, current, detach, new_span, start_span
from .context import as_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Any

    from opentelemetry.context import Context


class TracerProvider(api.TracerProvider):
    """Give out tracers whose spans go where ``obsv.init()`` sends them."""

    def __init__(self) -> None:
        self._tracers: dict[tuple[str, str | None, str | None], Tracer] = {}

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tracer:
        """Return the tracer of an instrumentation scope."""
        if attributes:
            return Tracer(
                Scope(instrumenting_module_name, instrumenting_library_version, OUTLET, schema_url, dict(attributes))
            )
        key = (instrumenting_module_name, instrumenting_library_version, schema_url)
        tracer = self._tracers.get(key)
        if tracer is None:
            scope = Scope(instrumenting_module_name or "", instrumenting_library_version, OUTLET, schema_url)
            tracer = self._tracers.setdefault(key, Tracer(scope))
        return tracer

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued; True when everything left in time."""
        from ..runtime import flush

        return flush(timeout_millis / 1000)

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
        made = start_span(self._scope, name, kind.value, parent, attributes)
        for link in links or ():
            made.add_link(link.context, link.attributes)
        if start_time is not None:
            made.start_ns = start_time
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
        plain = context is None and not links and start_time is None
        if plain and record_exception and set_status_on_exception and end_on_exit:
            span = new_span(self._scope, name, kind.value)
            if attributes:
                span.set_attributes(attributes)
            return span
        return _Current(
            lambda: self.start_span(name, context, kind, attributes, links, start_time),
            record_exception,
            set_status_on_exception,
            end_on_exit,
        )


class _Current(AbstractContextManager["Span"]):
    """The rarer forms of ``start_as_current_span``: a parent of one's own, links, a start time, or other handling of
    exceptions."""

    def __init__(self, start: Callable[[], Span], record: bool, status: bool, end: bool) -> None:
        self._start = start
        self._record = record
        self._status = status
        self._end = end
        self._span: Span = new_span(SCOPE, "", 0)
        self._token: Any = None

    def __enter__(self) -> Span:
        self._span = self._start()
        self._token = attach(self._span)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        detach(self._token)
        span = self._span
        if isinstance(error, Exception) and span.is_recording():
            if self._record:
                span.record_exception(error)
            if self._status:
                span.set_status("error", f"{type(error).__name__}: {error}")
        if self._end:
            span.end()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        start, record, status, end = self._start, self._record, self._status, self._end
        if getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x80:

            @wraps(function)
            async def awaiting(*args: Any, **kwargs: Any) -> Any:
                with _Current(start, record, status, end):
                    return await function(*args, **kwargs)

            return awaiting

        @wraps(function)
        def calling(*args: Any, **kwargs: Any) -> Any:
            with _Current(start, record, status, end):
                return function(*args, **kwargs)

        return calling


_provider = TracerProvider()


def install() -> None:
    """Make obsv's provider the global one, unless the program has set another already."""
    api.Span.register(Span)
    if api._TRACER_PROVIDER is None:
        api.set_tracer_provider(_provider)
    elif api._TRACER_PROVIDER is not _provider:
        faults.tell(
            f"an OpenTelemetry tracer provider is set already ({type(api._TRACER_PROVIDER).__module__}); it stays, "
            "and its spans are not obsv's"
        )


__all__ = ["Tracer", "TracerProvider", "as_context", "install"]
