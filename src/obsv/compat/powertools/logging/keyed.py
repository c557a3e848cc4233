"""The keys of every line, which a Logger's formatter holds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .exceptions import OrphanedChildLoggerError

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Iterator

    from .formatter import BasePowertoolsFormatter


class Keyed:
    """The part of a Logger that has keys."""

    _logger: logging.Logger
    logger_handler: logging.Handler | None
    service: str
    _default_log_keys: dict[str, Any]

    if TYPE_CHECKING:

        def _owner(self) -> logging.Logger | None: ...

        def structure_logs(self, append: bool = False, formatter_options: Any = None, **keys: Any) -> None: ...

    def _registered(self) -> logging.Handler | None:
        """Return the handler that the loggers of this service share, once there is one."""
        handler: logging.Handler | None = getattr(self._owner(), "powertools_handler", None)
        return handler

    @property
    def registered_handler(self) -> logging.Handler | None:
        """The handler that the loggers of this service share."""
        return self._registered() or self.logger_handler

    @property
    def registered_formatter(self) -> BasePowertoolsFormatter:
        """The formatter that the loggers of this service share.

        Raises:
            OrphanedChildLoggerError: This is a child logger, and there is none of its service yet.
        """
        handler = self.registered_handler
        if handler is None:
            raise OrphanedChildLoggerError(
                f"the child logger {self._logger.name!r} has no keys of its own: make Logger(service={self.service!r}) "
                "before keys are changed"
            )
        formatter: Any = handler.formatter
        return formatter  # type: ignore[no-any-return]

    def append_keys(self, **additional_keys: object) -> None:
        """Add keys to every line of the service from now on."""
        self.registered_formatter.append_keys(**additional_keys)

    def get_current_keys(self) -> dict[str, Any]:
        """Return the keys of every line."""
        return self.registered_formatter.get_current_keys()

    def remove_keys(self, keys: Iterable[str]) -> None:
        """Take keys away."""
        self.registered_formatter.remove_keys(keys)

    @contextmanager
    def append_context_keys(self, **additional_keys: Any) -> Iterator[None]:
        """Add keys inside of a block, for this thread or task; values that they hide are back after it.

        Example:
            >>> with logger.append_context_keys(order_id=42):
            ...     logger.info("paid")
        """
        with self.registered_formatter.append_context_keys(**additional_keys):
            yield

    def clear_state(self) -> None:
        """Take all keys away that were appended."""
        self.registered_formatter.clear_state()
        self.structure_logs(**self._default_log_keys)

    def thread_safe_append_keys(self, **additional_keys: object) -> None:
        """Add keys of this thread or task only."""
        self.registered_formatter.thread_safe_append_keys(**additional_keys)

    def thread_safe_get_current_keys(self) -> dict[str, Any]:
        """Return the keys of this thread or task."""
        return self.registered_formatter.thread_safe_get_current_keys()

    def thread_safe_remove_keys(self, keys: Iterable[str]) -> None:
        """Take keys of this thread or task away."""
        self.registered_formatter.thread_safe_remove_keys(keys)

    def thread_safe_clear_keys(self) -> None:
        """Take all keys of this thread or task away."""
        self.registered_formatter.thread_safe_clear_keys()

    def set_correlation_id(self, value: str | None) -> None:
        """Set the key ``correlation_id``; None takes it away."""
        self.append_keys(correlation_id=value)

    def get_correlation_id(self) -> str | None:
        """Return the key ``correlation_id``."""
        value: str | None = self.registered_formatter.get_current_keys().get("correlation_id")
        return value
