"""OpenTelemetry's runtime context on obsv's context variable: a span made with either API is current for both.

The variable holds the span itself; OpenTelemetry's ``Context``, a dict, is only built when somebody asks for it
(OpenTelemetry specification, "Context").
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from opentelemetry.baggage import _BAGGAGE_KEY
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.context.context import _RuntimeContext
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState
from opentelemetry.trace import Span as ApiSpan
from opentelemetry.trace.propagation import _SPAN_KEY

from ..hotpath import headers
from ..hotpath.baggage import format_baggage, parse_baggage
from ..hotpath.errors import safe_text
from ..hotpath.span import RANDOM, SAMPLED, SUPPRESSED, Remote, Span, attach, current, detach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from typing import Any

_MASK64 = (1 << 64) - 1
_PLAIN_SUPPRESSION = "suppress_instrumentation"  # the key that older instrumentation sets


class RuntimeContext(_RuntimeContext):
    """What ``opentelemetry.context`` attaches, reads and detaches through."""

    def __init__(self) -> None:
        self._known = Context()  # the last one that was made for a span: frameworks ask several times a request

    def attach(self, context: Context) -> Token[Context]:
        """Make a context current."""
        token: Token[Context] = attach(context)
        return token

    def get_current(self) -> Context:
        """Return the current context as OpenTelemetry knows it."""
        state = current()
        if type(state) is not Span or state.base is not None or not state.id64:
            return as_context(state)
        known = self._known
        if known.get(_SPAN_KEY) is not state:
            self._known = known = Context({_SPAN_KEY: state})
        return known

    def detach(self, token: Token[Context]) -> None:
        """Restore what was current before. In the wrong context it does nothing."""
        detach(token)


def as_context(state: Any) -> Context:
    """Turn what obsv's variable holds into a ``Context``."""
    if state is None:
        return Context()
    if isinstance(state, Context):
        return state
    if state is SUPPRESSED:
        return Context({_SUPPRESS_INSTRUMENTATION_KEY: True, _PLAIN_SUPPRESSION: True})
    if type(state) is not Span and type(state) is not Remote:
        return Context(state) if isinstance(state, dict) else Context()  # whatever somebody attached
    base: dict[Any, Any] = dict(state.base or {})
    text = base.get(headers.BASE_BAGGAGE)
    if text and _BAGGAGE_KEY not in base:
        base[_BAGGAGE_KEY] = parse_baggage(text)
    if state.trace_hi or state.trace_lo:
        base[_SPAN_KEY] = RemoteSpan(state) if isinstance(state, Remote) else state
    return Context(base)


class RemoteSpan(NonRecordingSpan):
    """A parent from a header, for OpenTelemetry's API; ``remote`` is all that the header said.

    An ``X-Amzn-Trace-Id`` may name a trace and no parent (load balancers), and may leave the sampling decision open.
    OpenTelemetry has no words for either: a span of obsv reads ``remote``, and others see a made-up parent in the right
    trace, because they would begin a new trace without one.
    """

    def __init__(self, remote: Remote) -> None:
        super().__init__(span_context(remote))
        self.remote = remote


def span_context(remote: Remote) -> SpanContext:
    """Return OpenTelemetry's form of a remote parent."""
    state = TraceState.from_header([remote.tracestate]) if remote.tracestate else TraceState()
    trace = (remote.trace_hi << 64) | remote.trace_lo
    return SpanContext(trace, remote.id64 or _made_up_id(), True, TraceFlags(remote.flags), state)


def _made_up_id() -> int:
    return int.from_bytes(os.urandom(8), "big") or 1


def resolve(state: Any) -> Any:
    """Read a ``Context`` for obsv: the Span in it, a Remote for somebody else's span, SUPPRESSED, or None."""
    if not isinstance(state, dict):
        return None
    if state.get(_SUPPRESS_INSTRUMENTATION_KEY) or state.get(_PLAIN_SUPPRESSION):
        return SUPPRESSED
    span = state.get(_SPAN_KEY)
    if type(span) is Span or span is None:
        return span
    if not isinstance(span, ApiSpan):
        return None
    if type(span) is RemoteSpan:
        came = span.remote
        return Remote(came.trace_hi, came.trace_lo, came.id64, came.flags, came.tracestate, dict(state), came.decided)
    context = span.get_span_context()
    if context is None or not context.is_valid:  # mlflow has spans without a context
        return None
    remote = Remote(
        context.trace_id >> 64,
        context.trace_id & _MASK64,
        context.span_id,
        int(context.trace_flags) & (SAMPLED | RANDOM),  # other bits are not passed on (Trace Context level 2)
        context.trace_state.to_header() if context.trace_state else None,
        dict(state),
    )
    remote.context = context
    return remote


def baggage_text(base: Any) -> str | None:
    """Return the ``baggage`` header for what ``opentelemetry.baggage`` put into a context; empty where the program has
    emptied it, None where it has not touched it."""
    pairs = base.get(_BAGGAGE_KEY)
    if not isinstance(pairs, Mapping):
        return None
    return format_baggage(
        {safe_text(key): safe_text(value) for key, value in pairs.items()}, base.get(headers.BASE_BAGGAGE)
    )
