"""The calls of a Logger that write a line."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .buffer import LoggerBufferConfig

_TAKEN = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {"message", "asctime", "taskName"}
"""Attributes of a record, which ``extra=`` cannot set: ``logging`` raises KeyError."""


class Calls:
    """The part of a Logger that logs."""

    _logger: logging.Logger
    _buffer_config: LoggerBufferConfig | None

    if TYPE_CHECKING:

        def keeps(self, level: int) -> bool: ...

        def flush_buffer(self) -> None: ...

        def _keep(
            self,
            level: int,
            msg: object,
            args: tuple[object, ...],
            exc_info: Any,
            stack_info: bool,
            stacklevel: int,
            extra: dict[str, Any],
        ) -> None: ...

    def debug(
        self,
        msg: object,
        *args: object,
        exc_info: Any = None,
        stack_info: bool = False,
        stacklevel: int = 2,
        extra: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> None:
        """Log at DEBUG; keywords are fields of the line."""
        self._log(logging.DEBUG, msg, args, exc_info, stack_info, stacklevel, extra, kwargs)

    def info(
        self,
        msg: object,
        *args: object,
        exc_info: Any = None,
        stack_info: bool = False,
        stacklevel: int = 2,
        extra: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> None:
        """Log at INFO; keywords are fields of the line."""
        self._log(logging.INFO, msg, args, exc_info, stack_info, stacklevel, extra, kwargs)

    def warning(
        self,
        msg: object,
        *args: object,
        exc_info: Any = None,
        stack_info: bool = False,
        stacklevel: int = 2,
        extra: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> None:
        """Log at WARNING; keywords are fields of the line."""
        self._log(logging.WARNING, msg, args, exc_info, stack_info, stacklevel, extra, kwargs)

    def error(
        self,
        msg: object,
        *args: object,
        exc_info: Any = None,
        stack_info: bool = False,
        stacklevel: int = 2,
        extra: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> None:
        """Log at ERROR, after what was buffered; keywords are fields of the line."""
        self._log(logging.ERROR, msg, args, exc_info, stack_info, stacklevel, extra, kwargs)

    def critical(
        self,
        msg: object,
        *args: object,
        exc_info: Any = None,
        stack_info: bool = False,
        stacklevel: int = 2,
        extra: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> None:
        """Log at CRITICAL, after what was buffered; keywords are fields of the line."""
        self._log(logging.CRITICAL, msg, args, exc_info, stack_info, stacklevel, extra, kwargs)

    def exception(
        self,
        msg: object,
        *args: object,
        exc_info: Any = True,
        stack_info: bool = False,
        stacklevel: int = 2,
        extra: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> None:
        """Log at ERROR with the exception being handled, after what was buffered."""
        self._log(logging.ERROR, msg, args, exc_info, stack_info, stacklevel, extra, kwargs)

    def _log(
        self,
        level: int,
        msg: object,
        args: tuple[object, ...],
        exc_info: Any,
        stack_info: bool,
        stacklevel: int,
        extra: Mapping[str, object] | None,
        fields: dict[str, object],
    ) -> None:
        """Log, or keep for later. ``stacklevel`` is 2 for who has called the method that calls this."""
        keep = self._buffer_config is not None and self.keeps(level)
        if not keep:
            if level >= logging.ERROR and self._buffer_config is not None and self._buffer_config.flush_on_error_log:
                self.flush_buffer()
            if not self._logger.isEnabledFor(level):
                return
        every = {**extra, **fields} if extra else fields
        if not _TAKEN.isdisjoint(every):
            every = {f"{key}_" if key in _TAKEN else key: value for key, value in every.items()}
        if keep:
            self._keep(level, msg, args, exc_info, stack_info, stacklevel, every)
        else:
            self._logger.log(
                level, msg, *args, exc_info=exc_info, stack_info=stack_info, stacklevel=stacklevel + 1, extra=every
            )
