"""Spans, their ids, clock and local traces, and the context variable that holds the current one.

How a span lives: it is made, begins (``with`` or :func:`start_span`), is current while its block runs, ends, and waits
in its *local trace*, everything that happens under one local root in this process, until that root ends. Then the whole
trace goes to the queues of its outlet in one step.

No reference cycle is ever made: an open span holds its local trace, a finished one is held by it. A cycle would cost
more than all the rest, because only the cyclic collector frees it.

Interpreted, a stretch such as ``if not trace.closed: trace.spans.append(span)`` is not interrupted by another thread:
CPython looks for a switch only after calls and at backward jumps, and the call comes last. Compiled, nothing here
releases the GIL. So no locks are needed.
"""

from __future__ import annotations

import os
from _contextvars import ContextVar

from . import faults, values
from .errors import ErrorInfo, safe_text
from .records import Event, Link

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.obsv.hotpath._native import (
        context_get,
        context_reset,
        context_set,
        monotonic_ns,
        next_id,
        seed,
        time_ns,
    )
else:
    from ._native_py import context_get, context_reset, context_set, monotonic_ns, next_id, seed, time_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Any

    from .queue import BoundedQueue

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = 0, 1, 2, 3, 4
"""Span kinds, with the values of ``opentelemetry.trace.SpanKind``."""

UNSET, OK, ERROR = 0, 1, 2
"""Statuses, with the values of ``opentelemetry.trace.StatusCode``."""

SAMPLED, RANDOM = 1, 2
"""W3C trace flags (Trace Context level 2)."""

PART = 512
"""Finished spans that wait for their local root; a longer trace is handed over in parts of so many."""

SHORT = 256
"""Longest text, in characters, that is taken as an attribute without weighing it."""

_SPAN_BYTES = 400  # what a finished span holds in memory, without its attributes
_ATTRIBUTE_BYTES = 128  # a dict entry with a short value

_current: ContextVar[Any] = ContextVar("obsv_current", default=None)

_generation = cython.declare(cython.long, 0)
_tokens_lost = 0


class Outlet:
    """What one tracer provider decided: where its spans go, which are kept, and how large they may grow.

    ``init()`` changes the default outlet in place, so spans and scopes made before come alive.
    """

    __slots__ = (
        "enabled",
        "max_attributes",
        "max_events",
        "max_length",
        "max_links",
        "queues",
        "resource",
        "sample_all",
        "sampler",
        "threshold",
        "time_ids",
    )

    def __init__(self) -> None:
        self.enabled = False
        self.queues: tuple[BoundedQueue, ...] = ()
        self.sampler: Callable[[Span, Any], bool] | None = None
        self.resource: dict[str, Any] = {}
        self.sample_all = True
        self.threshold = 0
        self.time_ids = False
        self.max_attributes = 128
        self.max_length = -1
        self.max_events = 128
        self.max_links = 128

    def set_ratio(self, ratio: float) -> None:
        """Keep this share of new traces (OpenTelemetry specification, "TraceIdRatioBased": lower 64 bits of the id)."""
        self.sample_all = ratio >= 1.0
        self.threshold = 0 if self.sample_all else max(0, min(round(ratio * 2**64), 2**64 - 1))


class Scope:
    """An instrumentation scope: who makes the spans (OpenTelemetry specification, "Instrumentation Scope")."""

    __slots__ = ("attributes", "encoded", "name", "outlet", "schema_url", "version")

    def __init__(
        self,
        name: str,
        version: str | None = None,
        outlet: Outlet | None = None,
        schema_url: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.schema_url = schema_url
        self.attributes = attributes
        self.outlet = OUTLET if outlet is None else outlet
        self.encoded: bytes | None = None


OUTLET = Outlet()
"""The outlet that ``obsv.init()`` opens."""

SCOPE = Scope("obsv")
"""The scope of spans made through obsv's own API."""


class LocalTrace:
    """All spans under one local root: finished ones wait here for the root to end.

    Attributes:
        spans: Finished spans, in order of ending.
        root64: The span id of the local root.
        offset: Nanoseconds between the monotonic and the wall clock when the root began. All spans of the trace use it,
            so durations are right also when the wall clock is set meanwhile.
        size: Estimated bytes of ``spans``.
        generation: The fork generation in which it was made: a child process finds another one and leaves it to the
            parent.
        closed: True when the root has ended; later children go alone.
    """

    __slots__ = ("closed", "generation", "offset", "root64", "size", "spans")

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.root64 = 0
        self.offset = 0
        self.size = 0
        self.generation = 0
        self.closed = False


class Remote:
    """A parent that lives elsewhere: what the headers of a request or message said.

    Attributes:
        decided: False when the header left the sampling decision to us (``Sampled=?`` or missing).
        base: What travels along beside the ids (baggage, unknown pairs of the X-Ray header), or None.
    """

    __slots__ = ("base", "decided", "flags", "id64", "trace_hi", "trace_lo", "tracestate")

    def __init__(
        self,
        trace_hi: int,
        trace_lo: int,
        id64: int,
        flags: int,
        tracestate: str | None = None,
        base: dict[str, Any] | None = None,
        decided: bool = True,
    ) -> None:
        self.trace_hi = trace_hi
        self.trace_lo = trace_lo
        self.id64 = id64
        self.flags = flags
        self.tracestate = tracestate
        self.base = base
        self.decided = decided


class Suppressed:
    """The context of our own threads: nothing done there is traced."""

    __slots__ = ()


SUPPRESSED = Suppressed()

_foreign: Callable[[Any], Any] | None = None


def set_foreign(resolve: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """Install what reads a context that is not ours (OpenTelemetry's): it returns a ``Span``, ``Remote``,
    ``SUPPRESSED`` or None. Returns the one before."""
    global _foreign
    before = _foreign
    _foreign = resolve
    return before


class Span:
    """One timed operation (OpenTelemetry API, "Span"), usable as context manager and as decorator.

    Example:
        >>> with span("charge", amount=12) as s:
        ...     s.set(currency="EUR")

    ``name``, ``kind``, ``attributes`` and the rest may be read at any time. Ids are 0 before the span begins.
    """

    __slots__ = (
        "__weakref__",
        "attributes",
        "base",
        "context",
        "dropped_attributes",
        "dropped_events",
        "dropped_links",
        "end_ns",
        "ended",
        "events",
        "extra",
        "flags",
        "id64",
        "kind",
        "links",
        "name",
        "parent64",
        "parent_remote",
        "recording",
        "scope",
        "start_ns",
        "started",
        "status",
        "status_message",
        "token",
        "trace",
        "trace_hi",
        "trace_lo",
        "tracestate",
    )

    def __init__(self, scope: Scope, name: str, kind: int = 0) -> None:
        self.scope = scope
        self.name = name
        self.kind = kind
        self.attributes: dict[str, Any] = {}
        self.recording = True
        if not cython.compiled:  # an extension type begins zeroed and None
            self.events: list[Event] | None = None
            self.links: list[Link] | None = None
            self.trace_hi = self.trace_lo = self.id64 = self.parent64 = 0
            self.start_ns = self.end_ns = 0
            self.flags = self.status = self.extra = 0
            self.dropped_attributes = self.dropped_events = self.dropped_links = 0
            self.parent_remote = self.started = self.ended = False
            self.trace: LocalTrace | None = None
            self.status_message: str | None = None
            self.tracestate: str | None = None
            self.base: dict[Any, Any] | None = None
            self.token: Any = None
            self.context: Any = None

    # ------------------------------------------------------------------ life

    def begin(self, parent: Any) -> None:
        """Start the clock below ``parent``: a Span, a Remote, None for a new trace, or any other context."""
        self.started = True
        outlet: Outlet = self.scope.outlet
        if not outlet.enabled:
            self.recording = False
            return
        if type(parent) is Span:
            self._child(parent)
        elif parent is None:
            self._start_trace(outlet)
        else:
            self._begin_below(outlet, parent)

    def _child(self, parent: Span) -> None:
        if parent.trace_hi == 0 and parent.trace_lo == 0:
            self._start_trace(self.scope.outlet)
            return
        self.trace_hi = parent.trace_hi
        self.trace_lo = parent.trace_lo
        self.parent64 = parent.id64
        self.flags = parent.flags
        self.tracestate = parent.tracestate
        self.base = parent.base
        self.id64 = next_id()
        if not (parent.flags & 1):
            self.recording = False
            return
        trace: LocalTrace | None = parent.trace
        if trace is None or trace.generation != _generation:
            self._new_local()
            return
        self.trace = trace
        self.start_ns = monotonic_ns() + trace.offset

    def _start_trace(self, outlet: Outlet) -> None:
        self.trace_hi = next_id()
        self.trace_lo = next_id()
        self.id64 = next_id()
        if outlet.time_ids:
            # X-Ray: the first 32 bits are the second in which the trace began, so the id is not wholly random.
            self.trace_hi = ((time_ns() // 1000000000) << 32) | (self.trace_hi & 0xFFFFFFFF)
        else:
            self.flags = 2
        if outlet.sample_all or self._sample(outlet):
            self.flags |= 1
            self._new_local()
        else:
            self.recording = False

    def _begin_below(self, outlet: Outlet, parent: Any) -> None:
        if type(parent) is not Remote:
            base = parent if isinstance(parent, dict) else None
            parent = resolve(parent)
            if parent is SUPPRESSED:
                self.recording = False
                return
            if type(parent) is Span:
                self._child(parent)
                if base is not None:
                    self.base = base
                return
            if parent is None:
                self._start_trace(outlet)
                self.base = base
                return
            if base is not None:
                self.base = base
        remote: Remote = parent
        if self.base is None:
            self.base = remote.base
        if remote.trace_hi == 0 and remote.trace_lo == 0:
            self._start_trace(outlet)
            return
        self.trace_hi = remote.trace_hi
        self.trace_lo = remote.trace_lo
        self.parent64 = remote.id64
        self.parent_remote = remote.id64 != 0  # an X-Ray header may name a trace and no parent
        self.tracestate = remote.tracestate
        self.flags = remote.flags
        self.id64 = next_id()
        if not remote.decided and (outlet.sample_all or self._sample(outlet)):
            self.flags |= 1
        if self.flags & 1:
            self._new_local()
        else:
            self.recording = False

    def _new_local(self) -> None:
        trace = LocalTrace()
        trace.root64 = self.id64
        trace.generation = _generation
        now = monotonic_ns()
        self.start_ns = time_ns()
        trace.offset = self.start_ns - now
        self.trace = trace

    def _sample(self, outlet: Outlet) -> bool:
        if outlet.sampler is not None:
            try:
                return bool(outlet.sampler(self, None))
            except Exception as error:  # noqa: BLE001 - a sampler of the user's
                faults.report("sampler", error)
        return self.trace_lo < outlet.threshold

    def end(self, end_time: int | None = None) -> None:
        """Stop the clock and hand the span over. A second call does nothing.

        Args:
            end_time: Nanoseconds since the Unix epoch, now when None.
        """
        if self.ended or not self.started:
            return
        self.ended = True
        if not self.recording:
            return
        self.recording = False
        trace: LocalTrace | None = self.trace
        self.trace = None
        if trace is None or trace.generation != _generation:
            return  # begun before a fork: the parent process sends it
        self.end_ns = monotonic_ns() + trace.offset
        if end_time is not None:
            self.end_ns = _moment(end_time, self.end_ns)
        self._finish(trace)

    def _finish(self, trace: LocalTrace) -> None:
        outlet: Outlet = self.scope.outlet
        size = _SPAN_BYTES + _ATTRIBUTE_BYTES * len(self.attributes) + self.extra
        if trace.closed:
            spans = [self]  # a late child goes alone
        else:
            trace.size += size
            trace.spans.append(self)
            if self.id64 == trace.root64:
                trace.closed = True
                spans = trace.spans
            elif len(trace.spans) < _part:
                return
            else:
                fresh: list[Span] = []  # made here, so that nothing is called between the look and the exchange
                if trace.closed:
                    return  # the root has ended in another thread meanwhile, and has taken all
                spans = trace.spans
                trace.spans = fresh
            size = trace.size
            trace.size = 0
        count = len(spans)
        if not count:
            return  # another thread has just handed them over
        for each in outlet.queues:
            queue: BoundedQueue = each
            queue.put(spans, count, size)

    def __enter__(self) -> Span:
        if self.started:
            # OpenTelemetry: `with tracer.start_span(...)` makes it end at the end of the block, and not current.
            return self
        self.begin(context_get(_current))
        if self.id64:
            self.token = context_set(_current, self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        token = self.token
        if token is not None:
            self.token = None
            try:
                context_reset(_current, token)
            except (ValueError, RuntimeError):  # left in another context than entered: a generator closed elsewhere
                _count_lost_token()
        if error is not None and self.recording:
            self.fail(error)
        self.end()

    def fail(self, error: BaseException) -> None:
        """Record an exception that leaves the span and set the status to error.

        ``KeyboardInterrupt``, ``SystemExit``, cancellation and ``GeneratorExit`` are no failures of the operation and
        only end it (OpenTelemetry API ``use_span``: ``Exception`` only).
        """
        if not self.recording or not isinstance(error, Exception):
            return
        self.record_exception(error, escaped=True)
        if self.status != OK:
            self.status = ERROR
            info = self.events[len(self.events) - 1].error if self.events else None
            if info is not None:
                if self.kind and "error.type" not in self.attributes:
                    self.set_attribute("error.type", info.type)  # semantic conventions: required when a call fails
                self.status_message = f"{type(error).__name__}: {info.message}"

    # ------------------------------------------------------------------ what is said about it

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute. Exact ``str``, ``bool``, ``int`` and ``float`` are kept as they are, the rest is cleaned
        now."""
        if not self.recording:
            return
        kind = type(value)
        if ((kind is str and len(value) <= _short) or kind is int or kind is float or kind is bool) and type(
            key
        ) is str:
            attributes = self.attributes
            if len(attributes) < _few and key:
                attributes[key] = value
                return
        self._set_slowly(key, value)

    def _set_slowly(self, key: Any, value: Any) -> None:
        outlet: Outlet = self.scope.outlet
        attributes = self.attributes
        if not isinstance(key, str) or outlet.max_attributes == 0:
            self.dropped_attributes += 1
            return
        key = str.__str__(key)
        if not key:
            self.dropped_attributes += 1
            return
        try:
            value = values.clean(value, outlet.max_length)
            self.extra += values.weigh(value)
        except Exception:  # noqa: BLE001 - the value's own methods: not our error, so it is told and not raised
            self.dropped_attributes += 1
            faults.report(f"attribute {key[:80]}")
            return
        if key in attributes:
            del attributes[key]  # an overwritten key counts as the newest (OpenTelemetry SDK)
        elif len(attributes) >= outlet.max_attributes:
            del attributes[next(iter(attributes))]
            self.dropped_attributes += 1
        attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes from a mapping."""
        try:
            pairs = list(attributes.items())
        except Exception:  # noqa: BLE001 - not a mapping
            self.dropped_attributes += 1
            faults.report("set_attributes")
            return
        for key, value in pairs:
            self.set_attribute(key if isinstance(key, str) or not values.has_text(key) else safe_text(key), value)

    def set(self, /, **attributes: Any) -> Span:
        """Set attributes by keyword and return the span. Example: ``span.set(order_id=7, paid=True)``."""
        for key, value in attributes.items():
            self.set_attribute(key, value)
        return self

    def event(self, name: str, /, **attributes: Any) -> Span:
        """Note that something happened now and return the span. Example: ``span.event("cache miss", key="k1")``."""
        self.add_event(name, attributes)
        return self

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """OpenTelemetry's form of :meth:`event`; ``timestamp`` in nanoseconds since the Unix epoch."""
        if self.recording:
            self._add(Event(safe_text(name), self._now(timestamp), {}), attributes)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Remember an exception with its stack, without changing the status.

        Only positions are kept now; the text is written in the sink's thread (semantic conventions, "Exceptions on
        spans").
        """
        if not self.recording:
            return
        try:
            info = ErrorInfo.capture(exception)
        except Exception:  # noqa: BLE001 - something that is no exception was given
            self.dropped_events += 1
            faults.report("record_exception")
            return
        self.extra += 256 + 32 * len(info.frames) + len(info.message)
        self._add(Event("exception", self._now(timestamp), {}, info, escaped is True), attributes)

    def _now(self, timestamp: Any) -> int:
        trace = self.trace
        now: int = time_ns() if trace is None else monotonic_ns() + trace.offset
        return now if timestamp is None else _moment(timestamp, now)

    def _add(self, event: Event, attributes: Any) -> None:
        outlet: Outlet = self.scope.outlet
        if attributes is not None:  # not its truth value: that of an array raises
            self._fill(event, attributes)
        events = self.events
        if events is None:
            self.events = events = []
        if len(events) >= outlet.max_events:
            self.dropped_events += 1
            if outlet.max_events == 0:
                return
            del events[0]  # the newest are kept (OpenTelemetry SDK)
        events.append(event)
        self.extra += 160

    def _fill(self, target: Any, attributes: Any) -> None:
        """Clean the attributes of an event or link into it, within the limit."""
        outlet: Outlet = self.scope.outlet
        try:
            pairs = list(dict(attributes).items())
        except Exception:  # noqa: BLE001 - no mapping at all
            target.dropped += 1
            faults.report("attributes of an event or link")
            return
        for key, value in pairs:
            text = str.__str__(key) if isinstance(key, str) else ""
            if not text or len(target.attributes) >= 128:
                target.dropped += 1
                continue
            try:
                cleaned = values.clean(value, outlet.max_length)
                self.extra += 64 + values.weigh(cleaned)
            except Exception:  # noqa: BLE001 - the value's own methods: it loses only itself
                target.dropped += 1
                faults.report(f"attribute {text[:80]}")
                continue
            target.attributes[text] = cleaned

    def add_link(self, context: Any, attributes: Mapping[str, Any] | None = None) -> None:
        """Link to the span that an OpenTelemetry ``SpanContext`` names (OpenTelemetry API, "Add Link")."""
        if not self.recording:
            return
        outlet: Outlet = self.scope.outlet
        try:
            link = _link_to(context)
        except Exception:  # noqa: BLE001 - no SpanContext
            self.dropped_links += 1
            faults.report("add_link")
            return
        if attributes is not None:
            self._fill(link, attributes)
        valid = (link.trace_hi or link.trace_lo) and link.id64
        if not (valid or link.attributes or link.tracestate):
            return
        if self.links is None:
            self.links = []
        if len(self.links) >= outlet.max_links:
            self.dropped_links += 1
            if outlet.max_links == 0:
                return
            del self.links[0]
        self.links.append(link)
        self.extra += 160

    def set_status(self, status: Any, description: str | None = None) -> Span:
        """Set the outcome: ``"ok"``, ``"error"``, an OpenTelemetry ``StatusCode`` or ``Status``.

        OK is final, UNSET is ignored, otherwise the last call wins; a description is kept with an error only
        (OpenTelemetry API, "Set Status").
        """
        if not self.recording or self.status == OK:
            return self
        code = getattr(status, "status_code", status)
        if code is not status and description is None:
            description = getattr(status, "description", None)
        word = code.lower() if isinstance(code, str) else getattr(code, "value", code)
        number = _STATUSES.get(word) if isinstance(word, (str, int)) else None
        if number is None:
            faults.tell(
                f"set_status({safe_text(status)[:80]}) is ignored: allowed are 'ok', 'error' or a StatusCode",
                key="status",
            )
        elif number != UNSET:
            self.status = number
            self.status_message = safe_text(description) if number == ERROR and description is not None else None
        return self

    def update_name(self, name: str) -> None:
        """Rename the span."""
        if self.recording:
            self.name = safe_text(name)

    def is_recording(self) -> bool:
        """Tell whether what is set now will be seen by anybody."""
        return self.recording

    # ------------------------------------------------------------------ ids

    @property
    def trace_id(self) -> str:
        """The trace id as 32 hex digits; all zero for a no-op span."""
        return f"{self.trace_hi:016x}{self.trace_lo:016x}"

    @property
    def span_id(self) -> str:
        """The span id as 16 hex digits; all zero for a no-op span."""
        return f"{self.id64:016x}"

    @property
    def parent_id(self) -> str | None:
        """The parent's span id as 16 hex digits, None for a root."""
        return f"{self.parent64:016x}" if self.parent64 else None

    def get_span_context(self) -> Any:
        """Return OpenTelemetry's ``SpanContext`` of this span, made when first asked for."""
        if self.context is not None:
            return self.context
        from opentelemetry.trace import SpanContext, TraceFlags, TraceState

        made = SpanContext(
            int(self.trace_id, 16),
            self.id64,
            False,
            TraceFlags(self.flags),
            TraceState.from_header([self.tracestate]) if self.tracestate else TraceState(),
        )
        if self.id64:  # before it begins a span has no ids
            self.context = made
        return made

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function, coroutine function or generator: each call gets a span with this name and these
        attributes."""
        from .wrap import decorate

        return decorate(function, self.scope, self.name, self.kind, self.attributes)

    def __repr__(self) -> str:
        return f"<obsv span {self.name!r} trace={self.trace_id} span={self.span_id}>"


_short = cython.declare(cython.Py_ssize_t, SHORT)
_few = cython.declare(cython.Py_ssize_t, 128)
_part = cython.declare(cython.Py_ssize_t, PART)

_STATUSES = {"ok": OK, "error": ERROR, "unset": UNSET, UNSET: UNSET, OK: OK, ERROR: ERROR}


def _moment(time: Any, now: int) -> int:
    """Return a time that the caller gave, in nanoseconds since the Unix epoch; ``now`` where it is none."""
    try:
        moment = int(time)
    except Exception:  # noqa: BLE001 - whatever was given
        moment = -1
    if 0 <= moment <= 0x7FFFFFFFFFFFFFFF:
        return moment
    faults.tell(
        f"the time {safe_text(time)[:40]} is not taken: an int of nanoseconds since the epoch is needed; now is used",
        key="time",
    )
    return now


def _link_to(context: Any) -> Link:
    """Make a link from an OpenTelemetry ``SpanContext``.

    Raises:
        Exception: It is none.
    """
    trace_state = getattr(context, "trace_state", None)
    trace, span_id = int(context.trace_id), int(context.span_id)
    if not (0 <= trace < 2**128 and 0 <= span_id < 2**64):
        raise ValueError(trace)
    header = trace_state.to_header() if trace_state else None
    return Link(trace >> 64, trace & 0xFFFFFFFFFFFFFFFF, span_id, int(context.trace_flags) & 0xFF, header, {})


def configure_limits(count: int, length: int, records: int = PART) -> None:
    """Set what :meth:`Span.set_attribute` takes on its fast path: below every outlet's own limits.

    Args:
        count: Attributes of a span.
        length: Characters of a text, negative for no limit.
        records: Spans that a queue holds: a part of a trace must not be longer.
    """
    global _few, _short, _part
    _part = max(1, min(PART, records))
    _few = max(0, min(count, 128))
    _short = SHORT if length < 0 else min(length, SHORT)


def new_span(scope: Scope, name: str, kind: int) -> Span:
    """Make a span that has not begun."""
    return Span(scope, name, kind)


def span(name: str, /, **attributes: Any) -> Span:
    """Make a span: ``with span("charge", amount=12) as s:``, or ``@span("charge")`` above a function.

    Args:
        name: What is done, low in cardinality (``"charge card"``, not ``"charge card 1234"``).
        attributes: What is known about it already.
    """
    made = new_span(SCOPE, name if type(name) is str else safe_text(name), 0)
    if attributes:
        for key, value in attributes.items():
            made.set_attribute(key, value)
    return made


def start_span(scope: Scope, name: str, kind: int, parent: Any, attributes: Mapping[str, Any] | None = None) -> Span:
    """Make a span that has begun below ``parent`` but is not current; the caller ends it."""
    made = new_span(scope, name, kind)
    if attributes is not None:
        made.set_attributes(attributes)
    made.begin(parent)
    return made


# ---------------------------------------------------------------------- context


def current() -> Any:
    """Return what the context variable holds: None, a Span, a Remote, ``SUPPRESSED`` or somebody else's context."""
    return context_get(_current)


def resolve(state: Any) -> Any:
    """Reduce a context to what a child begins below: a Span, a Remote, ``SUPPRESSED`` or None."""
    kind = type(state)
    if state is None or kind is Span or kind is Remote or kind is Suppressed:
        return state
    if _foreign is not None:
        try:
            return _foreign(state)
        except Exception as error:  # noqa: BLE001 - somebody else's context
            faults.report("reading a foreign context", error)
    return None


def current_span() -> Span:
    """Return the span that is current here; a no-op span, never None, when there is none."""
    state = context_get(_current)
    if type(state) is Span:
        return state
    if state is not None:
        state = resolve(state)
        if type(state) is Span:
            return state
    return NOOP


def attach(state: Any) -> Any:
    """Make ``state`` current and return the token for :func:`detach`."""
    return context_set(_current, state)


def detach(token: Any) -> None:
    """Restore what was current before :func:`attach`. In another context than that one it does nothing, and never
    raises."""
    try:
        context_reset(_current, token)
    except (ValueError, RuntimeError, TypeError):
        _count_lost_token()


def suppressed() -> bool:
    """Tell whether this is a thread of our own, whose doings are not traced or logged."""
    state = context_get(_current)
    return state is not None and resolve(state) is SUPPRESSED


def tokens_lost() -> int:
    """Return how often a span was left in another context than it was entered."""
    return _tokens_lost


def _count_lost_token() -> None:
    global _tokens_lost
    _tokens_lost += 1


NOOP = Span(SCOPE, "")
"""Stands for the current span where there is none: it is valid to call and keeps nothing."""
NOOP.recording = False
NOOP.started = NOOP.ended = True


# ---------------------------------------------------------------------- processes


def reseed() -> None:
    """Restart the id generator from the system: at import, in a forked child, after a snapshot is restored."""
    entropy = os.urandom(16)
    seed(int.from_bytes(entropy[:8], "little"), int.from_bytes(entropy[8:], "little"))


def after_fork() -> None:
    """In a forked child: new ids, and open spans stay the parent's."""
    global _generation
    _generation += 1
    reseed()


reseed()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=after_fork)
