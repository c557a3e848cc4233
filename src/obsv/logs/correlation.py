"""Trace ids for the formatters that a program already has: ``%(otelTraceID)s`` and friends in every ``logging`` record.

The four attributes have the names that opentelemetry-instrumentation-logging gives them, so its format strings work
unchanged. They are no fields of ours (``trace_id`` and the like): the standard library raises ``KeyError`` when
``extra=`` names an attribute that the record has already, and ``trace_id`` is what programs pass.
"""

from __future__ import annotations

import logging

from ..hotpath.stdlines import Correlating

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Factory = Callable[..., logging.LogRecord]


class _Correlating(Correlating):
    """Ours, of which there is one."""

    __slots__ = ()

    def refused(self, frame: Any) -> bool:
        """Tell whether a ``makeRecord`` of the program's own makes the record, with an ``extra`` that has our names.

        It refuses an ``extra`` that names what the record has already, so there the names must stay free.
        """
        if frame.f_code is _MAKE_RECORD or frame.f_code.co_name != "makeRecord":
            return False
        extra = frame.f_locals.get("extra")
        return isinstance(extra, dict) and not NAMES.isdisjoint(extra)


_factory: _Correlating | None = None


NAMES = frozenset(("otelTraceID", "otelSpanID", "otelTraceSampled", "otelServiceName"))
"""What is added to every record."""

_MAKE_RECORD = logging.Logger.makeRecord.__code__


def make_record(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run ``Logger.makeRecord`` so that ``extra=`` may hold our names too, as it may without us: what it says counts.

    Args:
        function: The method itself, not bound.
        args: Its arguments: the logger first, ``extra`` is the tenth.
        kwargs: Its keyword arguments.
    """
    extra = args[9] if len(args) > 9 else kwargs.get("extra")
    if not isinstance(extra, dict) or NAMES.isdisjoint(extra):
        return function(*args, **kwargs)
    rest = {key: value for key, value in extra.items() if key not in NAMES}
    if len(args) > 9:
        record = function(*args[:9], rest, *args[10:], **kwargs)
    else:
        record = function(*args, **{**kwargs, "extra": rest})
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
