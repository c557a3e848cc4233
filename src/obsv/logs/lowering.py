"""Lets the standard library's loggers make records below their level, for obsv's eyes only.

A logger asks for its level before it makes a record, so while the buffer or the sampling of debug records is on, the
root logger's level is DEBUG at most, and ``Logger.callHandlers`` is ours: a record that would not have been made
without us goes to obsv's handler alone, and to no other. What this costs: every ``logger.debug()`` below a logger
without a level of its own makes a record, and ``isEnabledFor(DEBUG)`` is true. Loggers with a level of their own keep
it. ``logging.disable()`` is obeyed.

``Logger.setLevel`` is ours meanwhile too: what the program sets on the root logger is remembered as what it wants.
"""

from __future__ import annotations

import logging
from functools import wraps

from ..hotpath import faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .handler import ObsvHandler, _Intake


class _Lowered:
    """What was changed.

    Attributes:
        said: The level of the root logger, as far as the program knows.
    """

    def __init__(self, handler: ObsvHandler, intake: _Intake) -> None:
        self.handler = handler
        self.intake = intake
        self.said = logging.getLogger().level
        self.call: Callable[..., None] = logging.Logger.callHandlers
        self.set: Callable[..., None] = logging.Logger.setLevel
        self.our_call: Any = None
        self.our_set: Any = None

    def level_of(self, logger: logging.Logger | None) -> int:
        """Return the level that a logger would have without us."""
        root = logging.getLogger()
        while logger is not None and logger is not root:
            if logger.level:
                return logger.level
            logger = logger.parent
        return self.said

    def reaches_us(self, logger: logging.Logger | None) -> bool:
        """Tell whether a logger's records come to our handler."""
        while logger is not None and logger.propagate and logger.parent is not None:
            logger = logger.parent
        return logger is not None and self.handler in logger.handlers

    def take(self, logger: logging.Logger, record: logging.LogRecord) -> None:
        """Take a record that is below the level; the filters of our handler count."""
        if self.reaches_us(logger):
            passed = self.handler.filter(record) if self.handler.filters else True
            if passed:
                self.intake.emit(record if passed is True else passed)


_lowered: _Lowered | None = None


def lower(handler: ObsvHandler, intake: _Intake) -> None:
    """Begin.

    Args:
        handler: Ours, on the root logger.
        intake: Takes the records that are below the level.
    """
    global _lowered
    restore()
    made = _lowered = _Lowered(handler, intake)
    root = logging.getLogger()

    @wraps(made.call)
    def callHandlers(self: Any, record: Any) -> None:  # noqa: N802 - its name in logging
        below = False
        if _lowered is made:
            try:
                below = record.levelno < made.level_of(self)
                if below or record.levelno < made.handler.level:
                    made.take(self, record)
            except Exception as error:  # noqa: BLE001 - logging never fails the caller
                faults.report("logging", error)
        if not below:
            made.call(self, record)

    @wraps(made.set)
    def setLevel(self: Any, level: Any) -> None:  # noqa: N802
        made.set(self, level)  # raises what it raises
        if _lowered is made and self is root:
            made.said = root.level
            made.set(self, min(made.said, logging.DEBUG))

    made.our_call, made.our_set = callHandlers, setLevel
    logging.Logger.callHandlers = callHandlers  # type: ignore[method-assign]
    logging.Logger.setLevel = setLevel  # type: ignore[method-assign]
    made.set(root, min(made.said, logging.DEBUG))


def restore() -> None:
    """Put everything back; where somebody has put another function over ours, ours only stops."""
    global _lowered
    made, _lowered = _lowered, None
    if made is None:
        return
    if logging.Logger.callHandlers is made.our_call:
        logging.Logger.callHandlers = made.call  # type: ignore[method-assign]
    if logging.Logger.setLevel is made.our_set:
        logging.Logger.setLevel = made.set  # type: ignore[method-assign]
    made.set(logging.getLogger(), made.said)
