"""A Powertools logger beside obsv: secrets are masked in its lines too, and obsv's other sinks get its records.

Records reach the root logger as well, where obsv's handler may be: it must not write them to stdout a second time, and
sinks that send logs elsewhere (OTLP, the local store) still want them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging

_LINE = frozenset(("level", "location", "message", "timestamp", "name", "service"))  # obsv's records have their own

_later: Any = None


def without_secrets(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line without secrets where obsv runs and masks them (the setting ``redact``), else as it is."""
    runtime: Any = sys.modules.get("obsv.runtime")
    running = runtime.running() if runtime is not None else None
    if running is None or running.guard is None:
        return line
    masked: dict[str, Any] = running.guard.ready().pairs(line)
    return masked


def written(record: logging.LogRecord, formatter: Any) -> None:
    """Take a record away from obsv's handler, and hand it with the logger's keys to the sinks that write later."""
    handler = sys.modules.get("obsv.logs.handler")
    if handler is None or not handler.take(record) or not handler.outlet.emitter.queued:
        return
    from logging import makeLogRecord

    keys = formatter.get_current_keys() if hasattr(formatter, "get_current_keys") else {}
    fields = {key: value for key, value in keys.items() if value is not None and key not in _LINE}
    copy = makeLogRecord({**fields, **record.__dict__})
    copy.__dict__.pop("powertools_keys", None)
    _intake(handler).emit(copy)


def _intake(handler: Any) -> Any:
    """Return what turns records into obsv's and hands them to the queues only."""
    global _later
    if _later is None:
        from obsv.hotpath.loglines import Emitter

        class Later(Emitter):
            """Lets records out to the queues of the moment."""

            __slots__ = ()

            def queue(self, record: Any) -> None:
                handler.outlet.emitter.queue(record)

            def failed(self, error: Exception) -> None:
                handler.outlet.emitter.failed(error)

            def dropped(self) -> None:
                handler.outlet.emitter.dropped()

        ours = handler.ObsvHandler.intake
        later = Later()
        later.queued = True
        _later = type(ours)(later, ours.kind, handler._PLAIN, ours.not_fields, ours.severities)
    return _later
