# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""Spans, their ids, clock and local traces, and the context variable that holds the current one.

How a span lives: it is made, begins (``with`` or :func:`start_span`), is current while its block runs, ends, and waits
in its *local trace*, everything that happens under one local root in this process, until that root ends. Then the whole
trace goes to the queues of its outlet in one step. A local root that has no children needs no trace: it goes alone.

No reference cycle is ever made: an open span holds its local trace, a finished one is held by it. A cycle would cost
more than all the rest, because only the cyclic collector frees it. Compiled, finished spans are therefore taken out of
the collector's sight: thousands that wait would cost it a pass over all of them, again and again.

Compiled, the first attributes lie in the span itself (``slots``); ``told``, a dict, is made when there are more of
them, when one is not a plain value, or when somebody looks. Interpreted there is only the dict.

Interpreted, a stretch such as ``if not trace.closed: trace.spans.append(span)`` is not interrupted by another thread:
CPython looks for a switch only after calls and at backward jumps, and the call comes last. Compiled, nothing here
releases the GIL. So no locks are needed.
"""

from __future__ import annotations

import os
from _contextvars import ContextVar

from . import faults, values
from .errors import ErrorInfo, safe_text
from .readable import Readable
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
        plain,
        seed,
        slots_clear,
        slots_copy,
        slots_fill,
        slots_put,
        time_ns,
        untrack,
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

NO_RECORD, NO_STATUS = 1, 2
"""Bits of ``Span.quiet``: what an exception that leaves the span does not do."""

UNSEEN = 4
"""A bit of ``Span.quiet``: the span is recorded to be measured only, and nobody is told of it."""

_SCALARS = frozenset((bool, int, float))  # attribute values that are kept as they are, beside short texts

PART = 512
"""Finished spans that wait for their local root; a longer trace is handed over in parts of so many."""

SHORT = 256
"""Longest text, in characters, that is taken as an attribute without weighing it."""

_SPAN_BYTES = cython.declare(cython.Py_ssize_t, 400)  # what a finished span holds in memory, without its attributes
_ATTRIBUTE_BYTES = cython.declare(cython.Py_ssize_t, 128)  # a dict entry with a short value

# What becomes of a local trace that was not sampled, while the outlet has a keeper (``LocalTrace.fate``).
_UNDECIDED = cython.declare(cython.long, 1)
_KEPT = cython.declare(cython.long, 2)
_DROPPED = cython.declare(cython.long, 3)

_current: ContextVar[Any] = ContextVar("obsv_current", default=None)

_generation = cython.declare(cython.long, 0)
_tokens_lost = 0


class Outlet:
    """What one tracer provider decided: where its spans go, which are kept, and how large they may grow.

    ``init()`` changes the default outlet in place, so spans and scopes made before come alive.

    Attributes:
        governor: Begins spans in our stead where a sampler or id generator of the user's decides: called with the span
            and the parent that :meth:`Span.begin` was given.
        listener: Is told of every recorded span: ``started(span, parent)``, ``ended(span)``. Span processors.
        ambient: In Lambda, with X-Ray's ids: returns what a new trace begins below, None for nothing.
        ignore_parent: True when the caller's decision does not count (``OTEL_TRACES_SAMPLER=traceidratio``).
        measured: The queue of those who measure requests (Application Signals), which takes local roots and all spans
            of another kind than internal, whether they are sampled or not. None: nobody does.
        keeper: Judges each local root when it ends, sampled or not: ``judge(root, sampled)`` returns the tracestate
            with which an unsampled trace is kept, None to drop it. Without one (the rule), what is not sampled is not
            recorded either.
        owner: The OpenTelemetry provider whose outlet this is, if any.
        watcher: Is called with every span that ends, sampled or not, and its local trace, which a lone root does not
            have. The buffer of log records.
        few: Attributes that are set without looking at ``max_attributes``.
        short: Characters of a text that are kept without looking at ``max_length``.
    """

    __slots__ = (
        "ambient",
        "enabled",
        "few",
        "governor",
        "ignore_parent",
        "keeper",
        "listener",
        "max_attributes",
        "max_event_attributes",
        "max_event_length",
        "max_events",
        "max_length",
        "max_link_attributes",
        "max_links",
        "measured",
        "owner",
        "queues",
        "resource",
        "sample_all",
        "sampler",
        "short",
        "threshold",
        "time_ids",
        "watcher",
    )

    def __init__(self) -> None:
        self.enabled = False
        self.watcher: Callable[[Span, LocalTrace | None], None] | None = None
        self.governor: Callable[[Span, Any], None] | None = None
        self.listener: Any = None
        self.ambient: Callable[[], Remote | None] | None = None
        self.ignore_parent = False
        self.keeper: Any = None
        self.owner: Any = None
        self.measured: BoundedQueue | None = None
        self.queues: tuple[BoundedQueue, ...] = ()
        self.sampler: Callable[[Span, Any], bool] | None = None
        self.resource: Any = {}  # the SDK's Resource in an outlet of OpenTelemetry's API
        self.sample_all = True
        self.threshold = 0
        self.time_ids = False
        self.max_attributes = 128
        self.max_length = -1
        self.max_event_length = -1
        self.max_events = 128
        self.max_event_attributes = 128
        self.max_links = 128
        self.max_link_attributes = 128
        self.few = 128
        self.short = SHORT

    def set_attribute_limits(self, count: int, length: int) -> None:
        """Set how many attributes a span keeps, and how many characters of a text (negative: all)."""
        self.max_attributes = count
        self.max_length = length
        self.few = max(0, min(count, 128))
        self.short = SHORT if length < 0 else min(length, SHORT)

    def set_ratio(self, ratio: float) -> None:
        """Keep this share of new traces (OpenTelemetry specification, "TraceIdRatioBased": lower 64 bits of the id)."""
        self.sample_all = ratio >= 1.0
        self.threshold = 0 if self.sample_all else max(0, min(round(ratio * 2**64), 2**64 - 1))


class Scope:
    """An instrumentation scope: who makes the spans (OpenTelemetry specification, "Instrumentation Scope").

    Attributes:
        by_api: True for the scopes of OpenTelemetry's API: to the letter what its SDK does, warnings included.
        shown: The SDK's ``InstrumentationScope``, once somebody has asked for it.
    """

    __slots__ = ("attributes", "by_api", "encoded", "name", "outlet", "schema_url", "shown", "version")

    def __init__(
        self,
        name: str,
        version: str | None = None,
        outlet: Outlet | None = None,
        schema_url: str | None = None,
        attributes: dict[str, Any] | None = None,
        by_api: bool = False,
    ) -> None:
        self.name = name
        self.by_api = by_api
        self.shown: Any = None
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
        closed: True when the root has ended; later children go alone.
        contexts: OpenTelemetry's ``SpanContext`` of spans here and of their parents, by span id, as far as somebody has
            asked for one: a child's ``parent`` is the very object that its parent gave out.
        fate: 0 where it is sampled; else, where the outlet has a keeper, ``_UNDECIDED`` until the root ends, and then
            ``_KEPT`` or ``_DROPPED``.
        state: The tracestate of a kept trace's spans.
    """

    __slots__ = ("closed", "contexts", "fate", "offset", "root64", "size", "spans", "state")

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.root64 = 0
        self.offset = 0
        self.size = 0
        self.closed = False
        self.fate = 0
        self.state: str | None = None
        self.contexts: dict[int, Any] | None = None

    def context_of(self, id64: int, make: Callable[[], Any]) -> Any:
        """Return the ``SpanContext`` of the span with this id, made when nobody has asked before."""
        if self.contexts is None:
            self.contexts = {}
        known = self.contexts.get(id64)
        return known if known is not None else self.contexts.setdefault(id64, make())


class Entry:
    """Where a request came in: what the spans below a server span or local root have in common with it.

    Attributes:
        operation: What was asked for, once somebody has worked it out: the route is often known at the end only.
    """

    __slots__ = ("operation",)

    def __init__(self) -> None:
        self.operation: str | None = None


class Remote:
    """A parent that lives elsewhere: what the headers of a request or message said.

    Attributes:
        decided: False when the header left the sampling decision to us (``Sampled=?`` or missing).
        asked: True when it wants to know the decision (``Sampled=?``).
        base: What travels along beside the ids (baggage, unknown pairs of the X-Ray header), or None.
        context: The ``SpanContext`` that it was made from, or None.
    """

    __slots__ = ("asked", "base", "context", "decided", "flags", "id64", "trace_hi", "trace_lo", "tracestate")

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
        self.asked = False
        self.context: Any = None


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


_warn: Callable[[str], None] | None = None


def set_warner(warn: Callable[[str], None] | None) -> None:
    """Install what tells users of OpenTelemetry's API that a call had no effect, as its SDK does."""
    global _warn
    _warn = warn


_recorder: Callable[[Any, Any, Any, Any, bool], bool] | None = None


def set_recorder(record: Callable[[Any, Any, Any, Any, bool], bool] | None) -> None:
    """Install what is asked first when an exception is recorded; it tells whether it has done it."""
    global _recorder
    _recorder = record


_recorded_class: type | None = None
_dropped_class: type | None = None


def set_classes(recorded: type | None = None, dropped: type | None = None) -> None:
    """Say as what spans pass ``isinstance``: recorded ones (the SDK's span), and those that were sampled out."""
    global _recorded_class, _dropped_class
    _recorded_class = recorded or _recorded_class
    _dropped_class = dropped or _dropped_class


class Span(Readable):
    """One timed operation (OpenTelemetry API, "Span"), usable as context manager and as decorator.

    Example:
        >>> with span("charge", amount=12) as s:
        ...     s.set(currency="EUR")

    ``name``, ``kind``, ``attributes`` and the rest may be read at any time. Ids are 0 before the span begins.
    """

    __slots__ = (
        "__weakref__",
        "base",
        "dropped_attributes",
        "dropped_events",
        "dropped_links",
        "end_ns",
        "ended",
        "entry",
        "event_list",
        "extra",
        "flags",
        "generation",
        "id64",
        "kind_value",
        "known_context",
        "link_list",
        "name",
        "offset",
        "parent64",
        "parent_context",
        "parent_remote",
        "quiet",
        "recording",
        "scope",
        "start_given",
        "start_ns",
        "started",
        "status_message",
        "status_value",
        "token",
        "told",
        "trace",
        "trace_hi",
        "trace_lo",
        "tracestate",
    )

    def __init__(self, scope: Scope, name: str, kind: int = 0) -> None:
        self._set_up(scope, name, kind)

    def _set_up(self, scope: Scope, name: str, kind: int) -> None:
        self.scope = scope
        self.name = name
        self.kind_value = kind
        self.recording = True
        if not cython.compiled:  # an extension type begins zeroed and None
            self.told: dict[str, Any] | None = {}
            self.event_list: list[Event] | None = None
            self.link_list: list[Link] | None = None
            self.trace_hi = self.trace_lo = self.id64 = self.parent64 = 0
            self.start_ns = self.end_ns = self.start_given = self.offset = self.generation = 0
            self.flags = self.status_value = self.extra = self.quiet = 0
            self.dropped_attributes = self.dropped_events = self.dropped_links = 0
            self.parent_remote = self.started = self.ended = False
            self.trace: LocalTrace | None = None
            self.status_message: str | None = None
            self.tracestate: str | None = None
            self.base: dict[Any, Any] | None = None
            self.entry: Entry | None = None
            self.token: Any = None
            self.known_context: Any = None
            self.parent_context: Any = None

    def __dealloc__(self) -> None:  # never called when interpreted
        if cython.compiled:
            slots_clear(cython.address(self.slots))  # type: ignore[attr-defined]

    @property
    def attributes(self) -> dict[str, Any]:
        """What is known about the operation."""
        if self.told is None:
            self.told = {}
            if cython.compiled:
                slots_copy(cython.address(self.slots), self.told)  # type: ignore[attr-defined]
                slots_clear(cython.address(self.slots))  # type: ignore[attr-defined]
        return self.told

    @attributes.setter
    def attributes(self, value: dict[str, Any]) -> None:
        if cython.compiled:
            slots_clear(cython.address(self.slots))  # type: ignore[attr-defined]
        self.told = value

    def held(self) -> int:
        """Return how many attributes there are."""
        if self.told is None and cython.compiled:
            return int(self.slots.held)  # type: ignore[attr-defined]
        return len(self.told)  # type: ignore[arg-type]

    # ------------------------------------------------------------------ life

    def begin(self, parent: Any) -> None:
        """Start the clock below ``parent``: a Span, a Remote, None for a new trace, or any other context."""
        self.started = True
        outlet: Outlet = self.scope.outlet
        if not outlet.enabled:
            self.recording = False
            return
        if outlet.governor is not None:
            outlet.governor(self, parent)
        elif type(parent) is Span:
            self._child(parent)
        elif parent is None:
            self._start_trace(outlet)
        else:
            self._begin_below(outlet, parent)
        if self.start_given:
            self.start_ns = self.start_given
        if outlet.listener is not None and self.recording:
            outlet.listener.started(self, parent)
        if outlet.measured is not None and self.id64:
            self._measure(parent)

    def _measure(self, parent: Any) -> None:
        """Find where the request came in, and record what is to be measured though it is not sampled."""
        if not self.parent64 or self.parent_remote or self.kind_value == SERVER:
            self.entry = Entry()
        else:
            above = parent if type(parent) is Span else resolve(parent)
            if type(above) is Span:
                span: Span = above
                self.entry = span.entry
            if self.kind_value == INTERNAL:
                return
        if not self.recording:
            self.recording = True
            self.quiet |= NO_RECORD | UNSEEN
            self._new_local()
            if self.start_given:
                self.start_ns = self.start_given

    def _late(self, what: str) -> None:
        """Say that an ended span was used, where OpenTelemetry's SDK would."""
        if _warn is not None and self.scope.by_api and self.end_ns:
            _warn(what)

    def join(self, parent: Span | None) -> None:
        """Give the span its local trace and its start: the parent's trace, or one of its own.

        Spans of another provider, or begun before a fork, go elsewhere than this one.
        """
        if (
            parent is None
            or not parent.recording
            or not parent.offset
            or parent.generation != _generation
            or parent.scope.outlet is not self.scope.outlet
        ):
            self._new_local()
            return
        trace: LocalTrace | None = parent.trace or parent._gather()
        if trace is None:
            self._new_local()
            return
        self._share(trace)

    def _share(self, trace: LocalTrace) -> None:
        self.trace = trace
        self.generation = _generation
        self.offset = trace.offset
        self.start_ns = monotonic_ns() + trace.offset

    def _gather(self) -> LocalTrace | None:
        """Make the local trace of a local root, which has been alone until now; None when it has just ended."""
        trace = LocalTrace()
        trace.root64 = self.id64
        trace.offset = self.offset
        if self.known_context is not None:
            trace.contexts = {self.id64: self.known_context}
        # Nothing is called from here on: in another thread a child may have been first, or the root may have ended.
        if self.trace is None and self.recording:
            self.trace = trace
        return self.trace

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
        if self.scope.outlet.ignore_parent:
            self._decide_anew(self.scope.outlet)
        if self.flags & 1:
            self.join(parent)
        else:
            self.wait(parent)

    def _start_trace(self, outlet: Outlet) -> None:
        if outlet.time_ids and outlet.ambient is not None:
            given = outlet.ambient()
            if given is not None:
                self._begin_below(outlet, given)
                return
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
            self.wait(None)

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
        if remote.context is not None:
            self.parent_context = remote.context
            self.parent_remote = remote.context.is_remote
        self.tracestate = remote.tracestate
        self.flags = remote.flags
        self.id64 = next_id()
        if outlet.ignore_parent or not remote.decided:
            self._decide_anew(outlet)
        if self.flags & 1:
            self._new_local()
        else:
            self.wait(None)

    def wait(self, parent: Span | None) -> None:
        """Go on without being sampled, below ``parent`` or as a local root: not recorded, or, where the outlet has a
        keeper, recorded until the local root ends and it is known whether the trace matters."""
        outlet: Outlet = self.scope.outlet
        if outlet.keeper is None:
            self.recording = False
        elif parent is None:
            self._new_local()
            trace = self._gather()
            if trace is not None:
                trace.fate = _UNDECIDED
        else:
            above: LocalTrace | None = parent.trace  # None once the parent has ended: what begins then is not recorded
            if above is None or above.fate != _UNDECIDED:
                self.recording = False
            elif parent.generation == _generation and parent.scope.outlet is outlet:
                self._share(above)
            else:
                self.recording = False

    def draw_ids(self, root: bool) -> None:
        """Give the span an id, and a trace id where it begins a trace."""
        if root:
            self.trace_hi = next_id()
            self.trace_lo = next_id()
        self.id64 = next_id()

    def _new_local(self) -> None:
        self.generation = _generation
        now = monotonic_ns()
        self.start_ns = time_ns()
        self.offset = self.start_ns - now

    def _decide_anew(self, outlet: Outlet) -> None:
        """Decide whether to keep the span, whatever its parent says."""
        self.flags = (self.flags & ~1) | (1 if outlet.sample_all or self._sample(outlet) else 0)

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
            if self.ended:
                self._late("end()")
            return
        self.ended = True
        if not self.recording:
            if self.scope.outlet.watcher is not None and self.id64:
                self.scope.outlet.watcher(self, None)
            return
        self.recording = False
        trace: LocalTrace | None = self.trace
        self.trace = None
        if self.generation != _generation:
            return  # begun before a fork: the parent process sends it
        self.end_ns = monotonic_ns() + self.offset
        if end_time is not None:
            self.end_ns = _moment(end_time, self.end_ns)
        outlet: Outlet = self.scope.outlet
        if outlet.watcher is not None:
            outlet.watcher(self, trace)
        if outlet.listener is not None and not self.quiet & UNSEEN:
            outlet.listener.ended(self, trace)
        elif cython.compiled:
            untrack(self)
        if not outlet.queues and outlet.measured is None:
            return  # for the listener only
        self.extra += _SPAN_BYTES + _ATTRIBUTE_BYTES * self.held()
        if outlet.measured is not None and (self.kind_value or not self.parent64 or self.parent_remote):
            measured: BoundedQueue = outlet.measured
            measured.put_one(self)
        if trace is not None:
            self._finish_in(trace, outlet)
        elif self.flags & 1:  # else recorded for the listener only (a sampler's RECORD_ONLY)
            if outlet.keeper is not None:
                self._judge(outlet, True)
            for each in outlet.queues:
                queue: BoundedQueue = each
                queue.put_one(self)

    def _finish_in(self, trace: LocalTrace, outlet: Outlet) -> None:
        if trace.fate:
            self._finish_unsampled(trace, outlet)
            return
        if not self.flags & 1:
            if trace.closed or self.id64 != trace.root64:
                return  # as above
            trace.closed = True
            spans = trace.spans
            size = trace.size
        elif trace.closed:
            for each in outlet.queues:  # a late child goes alone
                late: BoundedQueue = each
                late.put_one(self)
            return
        else:
            trace.size += self.extra
            trace.spans.append(self)
            if self.id64 == trace.root64:
                trace.closed = True
                spans = trace.spans
                if outlet.keeper is not None:
                    self._judge(outlet, True)
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

    def _finish_unsampled(self, trace: LocalTrace, outlet: Outlet) -> None:
        """End a span of a trace that was not sampled: it waits with the others for what the keeper says."""
        if trace.closed or self.flags & 1:  # late, or sampled by itself
            if trace.fate == _KEPT:
                self.flags |= 1
                self.tracestate = trace.state
            if self.flags & 1:
                for each in outlet.queues:
                    alone: BoundedQueue = each
                    alone.put_one(self)
            return
        trace.size += self.extra
        trace.spans.append(self)
        if self.id64 != trace.root64:
            if len(trace.spans) >= _part:  # memory for what may be nothing has an end: the newest are kept
                trace.spans = []
                trace.size = 0
            return
        trace.closed = True
        spans = trace.spans
        size = trace.size
        trace.spans = []
        state = self._judge(outlet, False)
        if state is None:
            trace.fate = _DROPPED
            return
        trace.state = state
        trace.fate = _KEPT
        for one in spans:
            span: Span = one
            span.flags |= 1
            span.tracestate = state
        for each in outlet.queues:
            queue: BoundedQueue = each
            queue.put(spans, len(spans), size)

    def _judge(self, outlet: Outlet, sampled: bool) -> Any:
        if outlet.keeper is None:
            return None  # taken away while the trace ran
        try:
            return outlet.keeper.judge(self, sampled)
        except Exception as error:  # noqa: BLE001 - a bug of ours
            faults.report("keep", error)
            return None

    def append(self, key: str, value: Any) -> None:
        """Set an attribute of a span that has ended and is not handed over yet: for the outlet's keeper."""
        if cython.compiled:
            if self.told is None and slots_put(cython.address(self.slots), key, value, self.scope.outlet.few):  # type: ignore[attr-defined]
                return
        self.attributes[key] = value

    def enter(self) -> None:
        """Begin below what is current here, and become current: what ``with`` does."""
        if self.started:
            # OpenTelemetry: `with tracer.start_span(...)` makes it end at the end of the block, and not current.
            return
        self.begin(context_get(_current))
        if self.id64:
            self.token = context_set(_current, self)

    def leave(self, error: BaseException | None) -> None:
        """Restore what was current before, note the exception that leaves the block, if any, and end."""
        token = self.token
        if token is not None:
            self.token = None
            try:
                context_reset(_current, token)
            except (ValueError, RuntimeError):  # left in another context than entered: a generator closed elsewhere
                _count_lost_token()
        if error is not None and (isinstance(error, Exception) or token is None):
            if self.recording:
                # The SDK's Span.__exit__ takes KeyboardInterrupt and the like for failures too; use_span does not, and
                # says of what leaves its block that it did not escape.
                self._fail(error, token is None or not self.scope.by_api)
            elif not self.ended and self.id64:
                self.status_value = ERROR  # nobody sees the span, but its log records may be asked for
        self.end()

    def __enter__(self) -> Span:
        self.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave(error)

    def fail(self, error: BaseException) -> None:
        """Record an exception that leaves the span and set the status to error.

        ``KeyboardInterrupt``, ``SystemExit``, cancellation and ``GeneratorExit`` are no failures of the operation and
        only end it (OpenTelemetry API ``use_span``: ``Exception`` only).
        """
        if not isinstance(error, Exception):
            return
        if self.recording:
            self._fail(error, not self.scope.by_api)
        elif not self.ended and self.id64:
            self.status_value = ERROR

    def _fail(self, error: BaseException, escaped: bool) -> None:
        try:
            self._note_failure(error, escaped)
        except RecursionError:  # there is no room left to look at it
            self.status_value = ERROR

    def _note_failure(self, error: BaseException, escaped: bool) -> None:
        if not self.quiet & NO_RECORD:
            self.record_exception(error, escaped=escaped)
        if self.status_value == OK or self.quiet & NO_STATUS:
            return
        self.status_value = ERROR
        info = self.event_list[len(self.event_list) - 1].error if self.event_list else None
        if info is None or self.quiet & NO_RECORD:
            self.status_message = f"{type(error).__name__}: {safe_text(error)}"
            return
        if self.kind_value and not self.scope.by_api and "error.type" not in self.attributes:
            self.set_attribute("error.type", info.type)  # semantic conventions: required when a call fails
        self.status_message = f"{type(error).__name__}: {info.message}"

    # ------------------------------------------------------------------ what is said about it

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute. Exact ``str``, ``bool``, ``int`` and ``float`` are kept as they are, the rest is cleaned
        now."""
        if not self.recording:
            if self.ended:
                self._late("set_attribute()")
            return
        if cython.compiled:
            # No local for the outlet: its references would be counted.
            if plain(key, value, self.scope.outlet.short):
                if self.told is None and slots_put(cython.address(self.slots), key, value, self.scope.outlet.few):  # type: ignore[attr-defined]
                    return
                if len(self.attributes) < self.scope.outlet.few:
                    self.told[key] = value  # type: ignore[index]
                    return
        elif type(key) is str and key:
            kind = type(value)
            if kind in _SCALARS or (kind is str and len(value) <= self.scope.outlet.short):
                told = self.told
                if len(told) < self.scope.outlet.few:  # type: ignore[arg-type]
                    told[key] = value  # type: ignore[index]
                    return
        self._set_slowly(key, value)

    def set_facts(self, facts: tuple[Any, ...]) -> None:
        """Set several attributes at once: names and values in turn, each name once. For facts that are kept."""
        if cython.compiled and self.recording and self.told is None:
            outlet: Outlet = self.scope.outlet
            if slots_fill(cython.address(self.slots), facts, outlet.short, outlet.few):  # type: ignore[attr-defined]
                return
        for index in range(0, len(facts), 2):
            self.set_attribute(facts[index], facts[index + 1])

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
            cleaned = values.clean(value, outlet.max_length)
            if cleaned is None and value is not None and _warn is not None and self.scope.by_api:
                _warn(f"set_attribute(): a {type(value).__name__} has no text of its own;")
            value = cleaned
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
            # What another thread changes meanwhile is copied in one step.
            pairs = list((attributes.copy() if type(attributes) is dict else attributes).items())
        except Exception:  # noqa: BLE001 - not a mapping
            self.dropped_attributes += 1
            faults.report("set_attributes")
            return
        for key, value in pairs:
            self.set_attribute(key if isinstance(key, str) else _text_of_key(key), value)

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
        elif self.ended:
            self._late("add_event()")

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
            if self.ended:
                self._late("record_exception()")
            return
        if _recorder is None or not _recorder(self, exception, attributes, timestamp, escaped is True):
            self.keep_exception(exception, attributes, timestamp, escaped)

    def keep_exception(self, exception: Any, attributes: Any, timestamp: Any, escaped: bool) -> None:
        """Do what :meth:`record_exception` does, without asking anybody else."""
        try:
            info = ErrorInfo.capture(exception)
        except Exception:  # noqa: BLE001 - something that is no exception was given
            self.dropped_events += 1
            faults.report("record_exception")
            return
        self.extra += 256 + 32 * len(info.frames) + len(info.message)
        event = Event("exception", self._now(timestamp), {}, info, escaped is True)
        outlet: Outlet = self.scope.outlet
        if outlet.max_event_length >= 0 or outlet.max_event_attributes < 128:
            event.limits = (outlet.max_event_attributes, outlet.max_event_length)
        self._add(event, attributes)

    def _now(self, timestamp: Any) -> int:
        now: int = monotonic_ns() + self.offset if self.offset else time_ns()
        return now if timestamp is None else _moment(timestamp, now)

    def _add(self, event: Event, attributes: Any) -> None:
        outlet: Outlet = self.scope.outlet
        if attributes is not None:  # not its truth value: that of an array raises
            self._fill(event, attributes, outlet.max_event_attributes)
        events = self.event_list
        if events is None:
            self.event_list = events = []
        if len(events) >= outlet.max_events:
            self.dropped_events += 1
            if outlet.max_events == 0:
                return
            del events[0]  # the newest are kept (OpenTelemetry SDK)
        events.append(event)
        self.extra += 160

    def _fill(self, target: Any, attributes: Any, limit: int) -> None:
        """Clean the attributes of an event or link into it, within the limit."""
        outlet: Outlet = self.scope.outlet
        try:
            pairs = list(dict(attributes).items())
        except Exception:  # noqa: BLE001 - no mapping at all
            target.dropped += 1
            faults.report("attributes of an event or link")
            return
        kept = target.attributes
        for key, value in pairs:
            text = str.__str__(key) if isinstance(key, str) else _text_of_key(key)
            if not text or not limit:
                target.dropped += 1
                continue
            try:
                cleaned = values.clean(value, outlet.max_event_length)
                self.extra += 64 + values.weigh(cleaned)
            except Exception:  # noqa: BLE001 - the value's own methods: it loses only itself
                target.dropped += 1
                faults.report(f"attribute {text[:80]}")
                continue
            if text not in kept and len(kept) >= limit:
                del kept[next(iter(kept))]  # the newest are kept (OpenTelemetry SDK)
                target.dropped += 1
            kept[text] = cleaned

    def add_link(self, context: Any, attributes: Mapping[str, Any] | None = None) -> None:
        """Link to the span that an OpenTelemetry ``SpanContext`` names (OpenTelemetry API, "Add Link")."""
        if not self.recording:
            if self.ended:
                self._late("add_link()")
            return
        outlet: Outlet = self.scope.outlet
        try:
            link = _link_to(context)
        except Exception:  # noqa: BLE001 - no SpanContext
            self.dropped_links += 1
            faults.report("add_link")
            return
        if attributes is not None:
            self._fill(link, attributes, outlet.max_link_attributes)
        valid = (link.trace_hi or link.trace_lo) and link.id64
        if not (valid or link.attributes or link.dropped or link.tracestate):
            return
        if self.link_list is None:
            self.link_list = []
        if len(self.link_list) >= outlet.max_links:
            self.dropped_links += 1
            if outlet.max_links == 0:
                return
            del self.link_list[0]
        self.link_list.append(link)
        self.extra += 160

    def set_status(self, status: Any, description: str | None = None) -> Span:
        """Set the outcome: ``"ok"``, ``"error"``, an OpenTelemetry ``StatusCode`` or ``Status``.

        OK is final, UNSET is ignored, otherwise the last call wins; a description is kept with an error only
        (OpenTelemetry API, "Set Status").
        """
        if not self.recording or self.status_value == OK:
            if self.ended:
                self._late("set_status()")
            return self
        code = getattr(status, "status_code", status)
        if code is not status:
            if description is not None and _warn is not None:
                _warn("set_status(): the description beside a Status is ignored;")
            description = getattr(status, "description", None)
        word = code.lower() if isinstance(code, str) else getattr(code, "value", code)
        number = _STATUSES.get(word) if isinstance(word, (str, int)) else None
        if number is None:
            faults.tell(
                f"set_status({safe_text(status)[:80]}) is ignored: allowed are 'ok', 'error' or a StatusCode",
                key="status",
            )
        elif number != UNSET:
            self.status_value = number
            self.status_message = safe_text(description) if number == ERROR and description is not None else None
        return self

    def update_name(self, name: str) -> None:
        """Rename the span."""
        if self.recording:
            self.name = safe_text(name)
        elif self.ended:
            self._late("update_name()")

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
        if self.known_context is None:
            trace: LocalTrace | None = self.trace
            made = self._make_context() if trace is None else trace.context_of(self.id64, self._make_context)
            if not self.id64:
                return made  # before it begins a span has no ids
            self.known_context = made
        return self.known_context

    def _make_context(self) -> Any:
        from opentelemetry.trace import SpanContext, TraceFlags, TraceState

        state = TraceState.from_header([self.tracestate]) if self.tracestate else TraceState()
        return SpanContext(int(self.trace_id, 16), self.id64, False, TraceFlags(self.flags), state)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        """What ``isinstance`` takes this for beside what it is: OpenTelemetry's recorded or non-recording span."""
        if self.started and not self.recording and self.end_ns == 0:
            return _dropped_class or Span
        return _recorded_class or Span

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate a function, coroutine function or generator: each call gets a span with this name and these
        attributes."""
        from .wrap import decorate

        return decorate(function, self.scope, self.name, self.kind_value, self.attributes)

    def __repr__(self) -> str:
        return f"<obsv span {self.name!r} trace={self.trace_id} span={self.span_id}>"


_part = cython.declare(cython.Py_ssize_t, PART)

_STATUSES = {"ok": OK, "error": ERROR, "unset": UNSET, UNSET: UNSET, OK: OK, ERROR: ERROR}


def _text_of_key(key: Any) -> str:
    """Return the key of an attribute that is no text as one; empty, and so left out, where it says nothing."""
    try:
        return safe_text(key) if key and values.has_text(key) else ""
    except Exception:  # noqa: BLE001 - the key's own methods
        return ""


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
    to_header = getattr(trace_state, "to_header", None)
    header = (to_header() if to_header is not None else safe_text(trace_state)) if trace_state else None
    link = Link(trace >> 64, trace & 0xFFFFFFFFFFFFFFFF, span_id, int(context.trace_flags) & 0xFF, header, {})
    link.context = context
    return link


def set_part(records: int) -> None:
    """Set how long a part of a trace may be: no longer than what a queue holds."""
    global _part
    _part = max(1, min(PART, records))


def new_span(scope: Scope, name: str, kind: int) -> Span:
    """Make a span that has not begun."""
    made: Span = Span.__new__(Span)  # compiled, this skips what calling a class costs
    made._set_up(scope, name, kind)
    return made


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

if not cython.compiled:
    from . import span_plain

    span_plain.install()
