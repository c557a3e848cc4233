"""What a Logger does with records that wait for something to go wrong."""

from __future__ import annotations

import logging
import sys
import warnings
from _thread import get_ident
from typing import TYPE_CHECKING, Any

from .. import environment
from ..warnings import PowertoolsUserWarning
from . import levels
from .buffer.cache import LoggerBufferCache

if TYPE_CHECKING:
    from .buffer import LoggerBufferConfig


class Buffered:
    """The part of a Logger that keeps records, by trace."""

    _logger: logging.Logger
    logger_handler: logging.Handler | None
    child: bool
    _buffer_config: LoggerBufferConfig | None
    _buffer_cache: LoggerBufferCache | None

    def _owner(self) -> logging.Logger | None:
        """Return the logger of the service: this one, or of a child the one above it that was set up."""
        owner: logging.Logger | None = self._logger
        if self.child:
            while owner is not None and not hasattr(owner, "powertools_handler"):
                owner = owner.parent
        return owner

    def _set_up_buffer(self, config: LoggerBufferConfig | None) -> None:
        """Use the configuration given, that of the logger which is there already, or (a child) that of its parent."""
        cache = None
        known: Any = self._owner()
        if self.child or getattr(known, "init", False):
            config = getattr(known, "powertools_buffer_config", None)
            cache = None if self.child else getattr(known, "powertools_buffer_cache", None)
        self._buffer_config = config
        self._buffer_cache = cache if cache is not None or config is None else LoggerBufferCache(config.max_bytes)

    def keeps(self, level: int) -> bool:
        """Tell whether records of this level wait."""
        config = self._buffer_config
        return config is not None and level <= getattr(logging, config.buffer_at_verbosity)

    def _keep(
        self,
        level: int,
        msg: object,
        args: tuple[object, ...],
        exc_info: Any,
        stack_info: bool,
        stacklevel: int,
        extra: dict[str, Any],
    ) -> None:
        """Make a record and keep it. ``stacklevel`` is 2 for who has called the method that has called `_log`."""
        if exc_info and not isinstance(exc_info, tuple):
            error = exc_info if isinstance(exc_info, BaseException) else sys.exception()
            exc_info = (type(error), error, error.__traceback__) if error is not None else None
        frame = _frame(stacklevel + 1)
        stack = None
        if stack_info:
            from traceback import format_stack

            stack = "Stack (most recent call last):\n" + "".join(format_stack(frame)).removesuffix("\n")
        code = frame.f_code
        record = self._logger.makeRecord(
            self._logger.name,
            level,
            code.co_filename,
            frame.f_lineno,
            msg,
            args,
            exc_info or None,
            code.co_name,
            extra,
            stack,
        )
        formatter: Any = self.logger_handler.formatter if self.logger_handler is not None else None
        if hasattr(formatter, "get_current_keys"):
            # The keys of now; those of the flush may be others.
            record.powertools_keys = formatter.get_current_keys()
        self.keep(record)

    def keep(self, record: logging.LogRecord) -> None:
        """Keep a record; one that is too large is written at once."""
        cache = self._buffer_cache
        assert cache is not None
        key, alone = _trace()
        if alone and not cache.has(key):
            cache.clear()  # Lambda serves one invocation at a time: what is left is of one that is over
        try:
            cache.add(key, record)
        except BufferError as error:
            warnings.warn(f"Cannot add item to the buffer: {error}", PowertoolsUserWarning, stacklevel=5)
            self._logger.handle(record)

    def flush_buffer(self) -> None:
        """Write what waits of this trace."""
        config, cache = self._buffer_config, self._buffer_cache
        if config is None or cache is None:
            return
        records, evicted = cache.take(_trace()[0])
        if not records:
            return
        lowest = levels.of_lambda()
        if lowest is not None and lowest > getattr(logging, config.buffer_at_verbosity):
            warnings.warn(
                "Advanced Logging Controls (ALC) Log Level is less verbose than Log Buffering Log Level. "
                "Some logs might be missing",
                PowertoolsUserWarning,
                stacklevel=2,
            )
        for record in records:
            self._logger.handle(record)
        if evicted:
            warnings.warn(
                "Some logs are not displayed because they were evicted from the buffer. "
                "Increase buffer size to store more logs in the buffer",
                PowertoolsUserWarning,
                stacklevel=2,
            )

    def clear_buffer(self) -> None:
        """Forget what waits."""
        if self._buffer_cache is not None:
            self._buffer_cache.clear()

    def end_of_invocation(self) -> None:
        """Forget what waits of this trace."""
        if self._buffer_cache is not None:
            self._buffer_cache.clear(_trace()[0])


def _trace() -> tuple[str, bool]:
    """Return by what records are kept together, and whether there is only one such at a time.

    Powertools drops records where Lambda gives no trace id. Here they belong to the current span's trace, or else to
    their thread.
    """
    root = environment.root_trace_id()
    if root is not None:
        return root, True
    return environment.current_trace_id() or f"thread {get_ident()}", False


def _frame(level: int) -> Any:
    """Return the frame so many steps above who calls this, or the outermost."""
    frame: Any = sys._getframe(1)
    for _ in range(level):
        if frame.f_back is None:
            break
        frame = frame.f_back
    return frame
