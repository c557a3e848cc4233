"""What the patches of other logging libraries share: a record of theirs becomes one of ours, once."""

from __future__ import annotations

import logging
from time import time_ns as now

from ..hotpath.errors import ErrorInfo, safe_text
from ..hotpath.loglines import take_ids
from ..hotpath.records import LogRecord
from ..hotpath.span import current
from . import levels, outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any


def let_out(
    *,
    number: int,
    level: str,
    body: Any,
    logger: str,
    fields: dict[str, Any] | None,
    error: BaseException | ErrorInfo | None = None,
    code: tuple[str, int, str] | None = None,
    time_ns: int = 0,
    below: bool = False,
) -> None:
    """Let a record out with the ids of the current span.

    Args:
        number: The level by the standard library's numbers.
        level: Its word.
        body: The message.
        logger: Who logged.
        fields: What was said besides.
        error: The exception, if one was logged.
        code: ``(path, line, function)`` of the call, where it is known.
        time_ns: When; now, if it is not given.
        below: Whether it is below the level in force: then it goes to who wants such records.
    """
    record = LogRecord(
        time_ns or now(),
        levels.from_stdlib(number),
        level if type(level) is str else safe_text(level),
        body if type(body) is str else safe_text(body),
        logger if type(logger) is str else safe_text(logger),
        fields,
    )
    record.code = code
    if error is not None:
        record.error = ErrorInfo.capture(error) if isinstance(error, BaseException) else error
    state = current()
    if state is not None:
        take_ids(record, state)
    emitter = outlet.below if below else outlet.emitter
    if emitter is not None:
        emitter.emit(record)


def lowest(level: str) -> int:
    """Return the standard library's number from which on a level's name lets records out."""
    return levels.to_stdlib(levels.severity(level))


def wanted(level: str) -> int:
    """Return the number from which on anybody wants records, those below the level included."""
    number = lowest(level)
    return number if outlet.below is None else min(number, 10)


def standard_record(frame: FrameType | None, frames: int) -> logging.LogRecord | None:
    """Return the record that a handler of ``logging`` is handing on, if one is among the nearest callers."""
    handle = logging.Handler.handle.__code__
    for _ in range(frames):
        if frame is None:
            return None
        if frame.f_code is handle:
            found = frame.f_locals.get("record")
            return found if isinstance(found, logging.LogRecord) else None
        frame = frame.f_back
    return None
