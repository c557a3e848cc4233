"""Exceptions on spans, where a tool has put a function of its own in the place of the SDK's ``Span.record_exception``.

Sentry does that to turn each of them into an event of its own. obsv's spans have another class, so it would never hear
of them; here it does.
"""

from __future__ import annotations

from types import FunctionType

from ..hotpath import faults
from ..hotpath.span import set_recorder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any

    from ..hotpath.span import Span

_OF_THE_EXCEPTION = frozenset(
    ("exception.type", "exception.message", "exception.stacktrace", "exception.escaped"),
)


def watch(module: ModuleType) -> None:
    """Ask at each exception who stands in the SDK's place.

    Args:
        module: ``opentelemetry.sdk.trace``.
    """

    def record(span: Span, exception: Any, attributes: Any, timestamp: Any, escaped: bool) -> bool:
        theirs = module.Span.record_exception
        if type(theirs) is FunctionType and theirs.__globals__ is module.__dict__:
            return False
        stand_in = _StandIn(span, exception, attributes or (), escaped, module.Span)
        try:
            theirs(stand_in, exception, attributes, timestamp, escaped)
        except Exception as error:  # noqa: BLE001 - a tool's
            faults.report("what stands in the place of the SDK's Span.record_exception", error)
            return stand_in.recorded
        return True

    set_recorder(record)


class _StandIn:
    """A span of ours as the SDK's own ``record_exception``, at the end of the tool's, finds it: the event that it adds
    becomes obsv's, with what the tool has put into its attributes."""

    def __init__(self, span: Span, exception: Any, given: Any, escaped: bool, shown: type) -> None:
        self.recorded = False
        self._span = span
        self._exception = exception
        self._made = _OF_THE_EXCEPTION.difference(given)
        self._escaped = escaped
        self._shown = shown

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self._shown

    def __getattr__(self, name: str) -> Any:
        return getattr(self._span, name)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """Add an event; that of the exception is made as obsv makes it."""
        if name != "exception":
            self._span.add_event(name, attributes, timestamp)
            return
        self.recorded = True
        more = {key: value for key, value in (attributes or {}).items() if key not in self._made}
        self._span.keep_exception(self._exception, more or None, timestamp, self._escaped)
