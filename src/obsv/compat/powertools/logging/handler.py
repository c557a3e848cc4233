"""The handlers of a Powertools logger."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from obsv.hotpath import faults

from . import bridge

if TYPE_CHECKING:
    from .logger import Logger


class StdoutHandler(logging.StreamHandler[Any]):
    """Writes to a stream, or to what ``sys.stdout`` is at that time, and never raises.

    Where obsv runs too, a record that this handler has written is not written by obsv again: it goes to those of its
    sinks that send logs elsewhere.
    """

    def __init__(self, stream: Any = None, shared: bool = True) -> None:
        self._given = stream
        self._shared = shared
        super().__init__(stream)

    @property
    def stream(self) -> Any:
        """Where lines go."""
        return sys.stdout if self._given is None else self._given

    @stream.setter
    def stream(self, stream: Any) -> None:
        # `logging` calls this with sys.stderr where no stream is given.
        self._given = None if stream is sys.stderr and self._given is None else stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, and let obsv know that it is written."""
        if self.stream is not None:
            super().emit(record)
        if self._shared:
            bridge.written(record, self.formatter)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say once that a line could not be written."""
        error = sys.exception()
        faults.tell(
            f"a log line of {record.name!r} could not be written: {type(error).__name__}: {error}",
            key=f"powertools logger {record.name}",
        )


class BufferingHandler(logging.Handler):
    """Puts the records of other loggers into the buffer of a Powertools logger."""

    def __init__(self, source_logger: Logger) -> None:
        super().__init__()
        self.source_logger = source_logger

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, or write it where it is above what waits."""
        if not self.source_logger.keeps(record.levelno):
            self.source_logger._logger.handle(record)
        else:
            self.source_logger.keep(record)
