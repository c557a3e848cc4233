"""Trace ids for the formatters that a program already has: ``%(otelTraceID)s`` and friends in every ``logging`` record.

The four attributes have the names that opentelemetry-instrumentation-logging gives them, so its format strings work
unchanged. They are no fields of ours (``trace_id`` and the like): the standard library raises ``KeyError`` when
``extra=`` names an attribute that the record has already, and ``trace_id`` is what programs pass.
"""

from __future__ import annotations

import logging
import sys

from ..hotpath.span import SUPPRESSED, Span, current, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Factory = Callable[..., logging.LogRecord]


class _Correlating:
    """A record factory that adds the ids to what the factory before it makes."""

    __slots__ = ("_ids", "active", "previous", "service")

    def __init__(self, previous: Factory, service: str) -> None:
        self.previous = previous
        self.service = service
        self.active = True
        # Those of the last span, and how they read; replaced as a whole.
        self._ids: tuple[int, int, int, str, str] = (0, 0, 0, "", "")

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self.previous(*args, **kwargs)
        if not self.active or (sys._getframe(1).f_code is not _MAKE_RECORD and _named_by_caller()):
            return record
        members = record.__dict__
        members["otelServiceName"] = self.service
        state = current()
        if state is not None:
            span = state if type(state) is Span else resolve(state)
            if span is not None and span is not SUPPRESSED and span.id64:
                ids = self._ids
                if ids[0] != span.id64 or ids[1] != span.trace_lo or ids[2] != span.trace_hi:
                    ids = self._ids = (
                        span.id64, span.trace_lo, span.trace_hi,
                        f"{span.trace_hi:016x}{span.trace_lo:016x}", f"{span.id64:016x}",
                    )  # fmt: skip
                members["otelTraceID"], members["otelSpanID"] = ids[3], ids[4]
                members["otelTraceSampled"] = bool(span.flags & 1)
                return record
        members["otelTraceID"] = "0"
        members["otelSpanID"] = "0"
        members["otelTraceSampled"] = False
        return record


_factory: _Correlating | None = None


NAMES = frozenset(("otelTraceID", "otelSpanID", "otelTraceSampled", "otelServiceName"))
"""What is added to every record."""

_MAKE_RECORD = logging.Logger.makeRecord.__code__


def _named_by_caller() -> bool:
    """Tell whether a ``makeRecord`` of the program's own makes the record, with an ``extra`` that has our names.

    It refuses an ``extra`` that names what the record has already, so there the names must stay free.
    """
    frame = sys._getframe(2)
    if frame.f_code.co_name != "makeRecord":
        return False
    extra = frame.f_locals.get("extra")
    return isinstance(extra, dict) and not NAMES.isdisjoint(extra)


def make_record(
    wrapped: Callable[..., logging.LogRecord], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> logging.LogRecord:
    """Run ``Logger.makeRecord`` so that ``extra=`` may hold our names too, as it may without us: what it says counts.

    Args:
        wrapped: The method itself, bound.
        args: Its arguments, ``extra`` being the ninth.
        kwargs: Its keyword arguments.
    """
    extra = args[8] if len(args) > 8 else kwargs.get("extra")
    if not isinstance(extra, dict) or NAMES.isdisjoint(extra):
        return wrapped(*args, **kwargs)
    rest = {key: value for key, value in extra.items() if key not in NAMES}
    if len(args) > 8:
        record = wrapped(*args[:8], rest, *args[9:], **kwargs)
    else:
        record = wrapped(*args, **{**kwargs, "extra": rest})
    for name in NAMES & extra.keys():
        record.__dict__[name] = extra[name]
    return record


def install_record_factory(service: str) -> None:
    """Give every record from now on ``otelTraceID``, ``otelSpanID``, ``otelTraceSampled`` and ``otelServiceName``.

    The ids are lower-case hex, "0" outside a span. A record factory that the program has set keeps making the
    records. A second call changes the service only.
    """
    global _factory
    if _factory is not None:
        _factory.service = service
        return
    _factory = _Correlating(logging.getLogRecordFactory(), service)
    logging.setLogRecordFactory(_factory)


def remove_record_factory() -> None:
    """Put back the factory that was there; where somebody has put another over ours, ours only stops adding."""
    global _factory
    ours = _factory
    _factory = None
    if ours is None:
        return
    ours.active = False
    if logging.getLogRecordFactory() is ours:
        logging.setLogRecordFactory(ours.previous)
