"""Finds the place of a logging call, for what needs it: obsv's own loggers do not look for it by themselves."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..hotpath.records import LogRecord

_MAX_FRAMES = 40
_BETWEEN = ("obsv.", "opentelemetry.")  # modules between a call and here


def find() -> tuple[str, int, str] | None:
    """Return ``(path, line, function)`` of the innermost frame that is neither obsv's nor OpenTelemetry's."""
    frame: Any = sys._getframe(1)
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return None
        name = frame.f_globals.get("__name__")
        if not (isinstance(name, str) and name.startswith(_BETWEEN)):
            return (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        frame = frame.f_back
    return None


def add_place(record: LogRecord) -> LogRecord:
    """Give a record the place of its call, where it does not have it. A stage of the outlet."""
    if record.code is None:
        record.code = find()
    return record
