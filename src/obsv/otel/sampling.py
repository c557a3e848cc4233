"""Samplers and id generators of the program's, asked before a span begins.

Where a provider has none but the usual ones, the hot path decides by itself and this module is not used.
"""

from __future__ import annotations

from opentelemetry import trace as api
from opentelemetry.context import Context

from ..hotpath import faults
from ..hotpath.errors import safe_text
from ..hotpath.span import SUPPRESSED, Span, current, resolve
from .context import as_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..hotpath.span import Outlet
    from .processors import Listener

_MASK64 = (1 << 64) - 1
_KINDS = {kind.value: kind for kind in api.SpanKind}
_SAMPLING = "opentelemetry.sdk.trace.sampling"


class Governor:
    """Begins spans as the SDK's tracer does: asks for ids, asks the sampler, and obeys.

    Args:
        sampler: Any OpenTelemetry sampler.
        generator: Any id generator; None for the hot path's own ids.
        listener: Where the spans are told.
        metrics: The SDK's metrics about its own spans, or None.
    """

    def __init__(self, sampler: Any, generator: Any, listener: Listener, metrics: Any = None) -> None:
        self.sampler = sampler
        self.generator = generator
        self.listener = listener
        self.metrics = metrics

    def __call__(self, span: Span, given: Any) -> None:
        """Begin ``span`` below ``given``: a context of OpenTelemetry's or of obsv's, or what is current."""
        below = resolve(given)
        if below is SUPPRESSED:
            span.recording = False
            return
        context, parent = _parent(given)
        self._identify(span, parent)
        decision, recording = self._decide(span, context, parent)
        if self.metrics is not None:
            done = self.metrics.start_span(parent, decision)
            if recording:
                self.listener.at_end[span.id64] = done
        if isinstance(given, Context):
            span.base = given
        elif below is not None:
            span.base = below.base
        if recording:
            span.join(below if type(below) is Span else None)
        else:
            span.wait(below if type(below) is Span else None)

    def _identify(self, span: Span, parent: api.SpanContext | None) -> None:
        if parent is not None:
            span.trace_hi, span.trace_lo = parent.trace_id >> 64, parent.trace_id & _MASK64
            span.parent64, span.parent_remote, span.parent_context = parent.span_id, parent.is_remote, parent
        span.draw_ids(parent is None)
        random = True
        if self.generator is not None:
            try:
                if parent is None:
                    trace_id = _checked(self.generator.generate_trace_id(), 128)
                    span.trace_hi, span.trace_lo = trace_id >> 64, trace_id & _MASK64
                    random = bool(getattr(self.generator, "is_trace_id_random", bool)())
                span.id64 = _checked(self.generator.generate_span_id(), 64)
            except Exception as error:  # noqa: BLE001 - a generator of the user's
                faults.report(f"id generator {type(self.generator).__name__}", error)
        span.flags = 2 if (random if parent is None else parent.trace_flags & 2) else 0

    def _decide(self, span: Span, context: Context | None, parent: api.SpanContext | None) -> tuple[Any, bool]:
        """Ask the sampler, and set what it decided; returns its decision and whether the span is recorded."""
        trace_id = (span.trace_hi << 64) | span.trace_lo
        try:
            links = span.links if span.link_list else ()
            result = self.sampler.should_sample(
                context, trace_id, span.name, _KINDS[span.kind_value], span.attributes or None, links
            )
            decision, attributes = result.decision, dict(result.attributes or {})
            sampled, recording = bool(decision.is_sampled()), bool(decision.is_recording())
            state = _header(result.trace_state)
        except Exception as error:  # noqa: BLE001 - a sampler of the user's
            faults.report(f"sampler {type(self.sampler).__name__}", error)
            from opentelemetry.sdk.trace.sampling import Decision

            sampled = recording = parent is None or bool(parent.trace_flags & 1)
            decision = Decision.RECORD_AND_SAMPLE if sampled else Decision.DROP
            attributes, state = span.attributes, _header(parent.trace_state) if parent else None
        span.flags |= 1 if sampled else 0
        span.tracestate = state
        if attributes is not span.attributes and not _same(attributes, span.attributes):
            span.attributes = {}
            span.set_attributes(attributes)
        return decision, recording


def _checked(number: Any, bits: int) -> int:
    """Return an id that a generator made.

    Raises:
        ValueError: It is none: not a number, zero, or too large (W3C Trace Context, "trace-id", "parent-id").
    """
    if not isinstance(number, int) or not 0 < number < 1 << bits:
        raise ValueError(f"{safe_text(number)[:60]!r} is no id: an int of {bits} bits other than 0 is needed")
    return int(number)


def _header(state: Any) -> str | None:
    text = state.to_header() if state else None
    if text and not isinstance(text, str):
        raise TypeError(f"a trace state is written as text, not as {type(text).__name__}")
    return text or None


def _same(given: dict[str, Any], own: dict[str, Any]) -> bool:
    try:
        return given == own
    except Exception:  # noqa: BLE001 - arrays, and other values whose comparison raises
        return False


def _parent(given: Any) -> tuple[Context | None, api.SpanContext | None]:
    """Return the context to show to a sampler, None for the current one, and the valid parent in it, if any."""
    if isinstance(given, Context):
        context: Context | None = given
    elif given is current():
        context = None
    else:
        context = as_context(given)
    found = api.get_current_span(context).get_span_context()
    return context, found if isinstance(found, api.SpanContext) and found.is_valid else None


def native_ratio(sampler: Any) -> float | None:
    """Return the share of new traces that a sampler keeps, where the hot path's own sampling does just the same.

    That is ``ParentBased`` as it comes, with a root of ``ALWAYS_ON``, ``ALWAYS_OFF`` or ``TraceIdRatioBased``.
    """
    if type(sampler).__module__ != _SAMPLING or type(sampler).__name__ not in (
        "ParentBased",
        "ParentBasedTraceIdRatio",
        "_ParentBasedAlwaysOn",
        "_ParentBasedAlwaysOff",
    ):
        return None
    usual = (
        _static(sampler._remote_parent_sampled),
        _static(sampler._remote_parent_not_sampled),
        _static(sampler._local_parent_sampled),
        _static(sampler._local_parent_not_sampled),
    )
    if usual != (1.0, 0.0, 1.0, 0.0):
        return None
    root = sampler._root
    if type(root).__module__ == _SAMPLING and type(root).__name__ == "TraceIdRatioBased":
        return float(root.rate)
    return _static(root)


def _static(sampler: Any) -> float | None:
    if type(sampler).__module__ != _SAMPLING or type(sampler).__name__ not in (
        "StaticSampler",
        "_AlwaysOn",
        "_AlwaysOff",
    ):
        return None
    decision = sampler._decision
    return None if decision.is_recording() != decision.is_sampled() else float(decision.is_sampled())


def govern(outlet: Outlet, sampler: Any, generator: Any, metrics: Any = None) -> None:
    """Let an outlet sample as ``sampler`` says: by the hot path alone where it can, else by a :class:`Governor`.

    Args:
        outlet: It has a listener.
        sampler: Any OpenTelemetry sampler.
        generator: An id generator, or None for the hot path's ids.
        metrics: The SDK's metrics about its own spans, or None.
    """
    ratio = native_ratio(sampler) if generator is None and metrics is None else None
    if ratio is not None:
        outlet.governor = outlet.sampler = None
        outlet.set_ratio(ratio)
        if outlet.keeper is not None:
            outlet.keeper.weight = 1.0 / ratio if ratio else 0.0
    else:
        if outlet.keeper is not None:
            outlet.keeper.weight = 0.0  # which share it is, only the sampler knows
        outlet.governor = Governor(sampler, generator, outlet.listener, metrics)
