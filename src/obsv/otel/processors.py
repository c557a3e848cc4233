"""Span processors of the program's: told of each recorded span when it starts and ends, as the SDK would tell them."""

from __future__ import annotations

from time import monotonic

from opentelemetry.context import Context

from ..hotpath import faults
from ..hotpath.errors import safe_text
from ..hotpath.span import current
from ..hotpath.values import clean
from .view import SpanView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..hotpath.span import LocalTrace, Span


class Listener:
    """What an outlet tells of its spans; hands that on to a provider's processors.

    All ``_on_ending`` run before any ``on_end`` (OpenTelemetry specification, "OnEnding"). A processor that raises is
    reported, and the others go on.

    Args:
        processor: Returns what stands in the provider's ``_active_span_processor`` now: tools replace it.
    """

    def __init__(self, processor: Callable[[], Any]) -> None:
        self._processor = processor
        self.at_end: dict[int, Callable[[], None]] = {}

    def started(self, span: Span, parent: Any) -> None:
        """Tell that ``span`` has begun; ``parent`` is a ``Context`` where the program gave one."""
        context = parent if isinstance(parent, Context) and parent is not current() else None
        for each in _members(self._processor()):
            try:
                each.on_start(span, parent_context=context)
            except Exception as error:  # noqa: BLE001 - a processor of the user's
                faults.report(f"span processor {type(each).__name__}", error)

    def ended(self, span: Span, trace: LocalTrace) -> None:
        """Tell that ``span`` has ended; its local trace is no longer on it."""
        done = self.at_end.pop(span.id64, None)
        if done is not None:
            done()
        members = _members(self._processor())
        for each in members:
            ending = getattr(each, "_on_ending", None)  # the SDK has it since 1.27
            if ending is not None:
                try:
                    ending(span)
                except Exception as error:  # noqa: BLE001 - a processor of the user's
                    faults.report(f"span processor {type(each).__name__}", error)
        view = SpanView(span)  # one for all: what a processor changes in it, those behind it see
        for each in members:
            try:
                each.on_end(view)
            except Exception as error:  # noqa: BLE001 - a processor of the user's
                faults.report(f"span processor {type(each).__name__}", error)
        if span.scope.outlet.queues:
            _take_over(view, span)


def _take_over(view: SpanView, span: Span) -> None:
    """Let obsv's sinks send the name and the attributes that processors have set, to hide a secret for instance."""
    changed = view.__dict__
    try:
        if changed.get("_name", span.name) is not span.name:
            span.name = safe_text(changed["_name"])
        if "_attributes" in changed and getattr(changed["_attributes"], "_dict", None) is not span.attributes:
            given = dict(changed["_attributes"] or {})
            span.attributes = {}  # not the old ones, should the new ones be unusable
            span.attributes = {safe_text(key): clean(value) for key, value in given.items()}
    except Exception as error:  # noqa: BLE001 - whatever a processor has set
        faults.report("attributes set by a span processor", error)


def flush(processor: Any, milliseconds: float) -> bool:
    """Flush processors one after the other, within so many milliseconds for all; True when each says that it has.

    As in the SDK, those that come when the time is up are left out; other than there, one that raises is reported and
    those behind it get their turn.
    """
    deadline = monotonic() + milliseconds / 1000
    everything = True
    for each in _members(processor):
        left = int((deadline - monotonic()) * 1000)
        if left <= 0:
            return False
        try:
            everything = each.force_flush(left) is not False and everything
        except Exception as error:  # noqa: BLE001 - a processor of the user's
            faults.report(f"force_flush of span processor {type(each).__name__}", error)
            everything = False
    return everything


def shut(processor: Any) -> bool:
    """Shut processors down one after the other; one that raises is reported, and the others get their turn."""
    everything = True
    for each in _members(processor):
        try:
            each.shutdown()
        except Exception as error:  # noqa: BLE001 - a processor of the user's
            faults.report(f"shutdown of span processor {type(each).__name__}", error)
            everything = False
    return everything


def _members(processor: Any) -> tuple[Any, ...]:
    """Return the processors in the SDK's sequential one, so that one that fails does not stop the others."""
    if type(processor).__name__ == "SynchronousMultiSpanProcessor":
        found: tuple[Any, ...] = processor._span_processors
        return found
    return (processor,)
