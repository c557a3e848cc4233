"""The interpreted twins of what every span runs through: one frame each, for the case that comes most often.

Where the extension is in use these are not. Anything but a sampled root span in a ``with`` block goes on to the common
code in :mod:`obsv.hotpath.span`, which says what is done and why.
"""

from __future__ import annotations

from . import span as common
from ._native_py import monotonic_ns, next_id, time_ns
from .errors import safe_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from .span import Scope
    from .span import Span as SpanType

Span = common.Span
SCOPE: Scope = vars(common)["SCOPE"]  # by name: the two modules import each other, which mypy takes amiss
_SCALARS: frozenset[type] = vars(common)["_SCALARS"]
_SPAN_BYTES: int = vars(common)["_SPAN_BYTES"]
_ATTRIBUTE_BYTES: int = vars(common)["_ATTRIBUTE_BYTES"]
_current = common._current
_enter, _leave = Span.enter, Span.leave
_new = Span.__new__


def span(name: str, /, **attributes: Any) -> SpanType:
    """Make a span, as :func:`obsv.hotpath.span.span` does."""
    made = _new(Span)
    made._set_up(SCOPE, name if type(name) is str else safe_text(name), 0)
    if attributes:
        for key, value in attributes.items():
            made.set_attribute(key, value)
    return made


def set_attribute(self: SpanType, key: str, value: Any) -> None:
    """Set one attribute. Exact ``str``, ``bool``, ``int`` and ``float`` are kept as they are, the rest is cleaned
    now."""
    if self.recording:
        if type(key) is str and key:
            kind = type(value)
            outlet = self.scope.outlet
            if kind in _SCALARS or (kind is str and len(value) <= outlet.short):
                told = self.told
                if len(told) < outlet.few:  # type: ignore[arg-type]
                    told[key] = value  # type: ignore[index]
                    return
        self._set_slowly(key, value)
    elif self.ended:
        self._late("set_attribute()")


def enter(self: SpanType) -> SpanType:
    """Begin a root span and make it current."""
    outlet = self.scope.outlet
    if (
        self.started
        or self.start_given
        or not outlet.sample_all
        or not outlet.enabled
        or outlet.time_ids
        or outlet.governor is not None
        or outlet.listener is not None
        or outlet.measured is not None
        or _current.get() is not None
    ):
        _enter(self)
        return self
    self.started = True
    self.flags = 3
    self.trace_hi = next_id()
    self.trace_lo = next_id()
    self.id64 = next_id()
    self.generation = common._generation
    now = monotonic_ns()
    self.start_ns = start = time_ns()
    self.offset = start - now
    self.token = _current.set(self)
    return self


def leave(
    self: SpanType, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
) -> None:
    """End a root span that has no children and has not failed, and hand it over."""
    outlet = self.scope.outlet
    token = self.token
    if (
        error is not None
        or token is None
        or not self.recording
        or self.trace is not None
        or outlet.watcher is not None
        or outlet.listener is not None
        or outlet.measured is not None
        or outlet.keeper is not None
        or self.generation != common._generation
        or not self.flags & 1
    ):
        _leave(self, error)
        return
    # Nothing is called before: from here on no other thread begins a child of it, or ends it too.
    self.ended = True
    self.recording = False
    self.token = None
    try:
        _current.reset(token)
    except (ValueError, RuntimeError):  # left in another context than entered: a generator closed elsewhere
        common._count_lost_token()
    self.end_ns = monotonic_ns() + self.offset
    self.extra += _SPAN_BYTES + _ATTRIBUTE_BYTES * len(self.told)  # type: ignore[arg-type]
    for queue in outlet.queues:
        queue.put_one(self)


def install() -> None:
    """Put the twins in their places. Called once, at the end of :mod:`obsv.hotpath.span`."""
    replaced: dict[str, Any] = {"set_attribute": set_attribute, "__enter__": enter, "__exit__": leave}
    for name, twin in replaced.items():
        twin.__name__, twin.__qualname__, twin.__module__ = name, f"Span.{name}", Span.__module__
        setattr(Span, name, twin)
    span.__doc__ = common.span.__doc__
    span.__module__ = common.__name__
    vars(common)["span"] = span
