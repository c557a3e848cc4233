"""The Logger of Powertools: a logger of ``logging`` whose lines are JSON, with keys that stay.

logger = Logger(service="payment")

@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
def handler(event, context):
    logger.append_keys(order_id=event["order"])
    logger.info("paid", amount=12)
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from .. import environment
from ..warnings import PowertoolsUserWarning
from . import levels
from .buffered import Buffered
from .calls import Calls
from .exceptions import InvalidLoggerSamplingRateError
from .filters import SuppressFilter
from .formatter import PARAMETERS, LambdaPowertoolsFormatter
from .handler import StdoutHandler
from .invocation import decorate
from .keyed import Keyed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .buffer import LoggerBufferConfig


class Logger(Calls, Buffered, Keyed):
    """Writes JSON lines to stdout. Loggers of one service share handler and keys.

    Args:
        service: What each line carries as ``service``, and the name of the logger (``POWERTOOLS_SERVICE_NAME``).
        level: The lowest level; ``AWS_LAMBDA_LOG_LEVEL`` goes before it, ``POWERTOOLS_LOG_LEVEL`` stands in for it.
        child: Make a logger below that of the service, named like the calling module.
        sampling_rate: Share of invocations that are logged from DEBUG on (``POWERTOOLS_LOGGER_SAMPLE_RATE``).
        stream: Where lines go instead of stdout.
        logger_formatter: A formatter of one's own.
        logger_handler: A handler of one's own.
        log_uncaught_exceptions: Log what ends the program.
        buffer_config: Keep verbose records until something goes wrong.
        kwargs: More keys of every line. The rest is as for `LambdaPowertoolsFormatter`.

    Raises:
        InvalidLoggerSamplingRateError: ``sampling_rate`` is no number.
        ValueError: ``level`` is no level.
    """

    def __init__(
        self,
        service: str | None = None,
        level: str | int | None = None,
        child: bool = False,
        sampling_rate: float | None = None,
        stream: Any = None,
        logger_formatter: Any = None,
        logger_handler: logging.Handler | None = None,
        log_uncaught_exceptions: bool = False,
        json_serializer: Callable[[dict[str, Any]], str] | None = None,
        json_deserializer: Callable[[str], Any] | None = None,
        json_default: Callable[[Any], Any] | None = None,
        datefmt: str | None = None,
        use_datetime_directive: bool = False,
        log_record_order: list[str] | None = None,
        utc: bool = False,
        use_rfc3339: bool = False,
        serialize_stacktrace: bool = True,
        buffer_config: LoggerBufferConfig | None = None,
        **kwargs: Any,
    ) -> None:
        self.service = service if service is not None else os.environ.get(environment.SERVICE_NAME, "service_undefined")
        self.sampling_rate: Any = sampling_rate
        if sampling_rate is None:
            self.sampling_rate = os.environ.get("POWERTOOLS_LOGGER_SAMPLE_RATE")
        self._default_log_keys = {"service": self.service, "sampling_rate": self.sampling_rate}
        self.child = child
        self.logger_formatter = logger_formatter
        self.log_uncaught_exceptions = log_uncaught_exceptions
        name = self.service if not child else f"{self.service}.{sys._getframe(1).f_globals.get('__name__')}"
        self._logger = logging.getLogger(name)
        self.logger_handler = logger_handler or self._registered() or (None if child else self._new_handler(stream))
        self.initial_log_level = levels.in_force(level)
        self._set_up_buffer(buffer_config)
        if child:
            self.setLevel(level)
        elif not getattr(self._logger, "init", False):
            options = {
                "json_serializer": json_serializer,
                "json_deserializer": json_deserializer,
                "json_default": json_default,
                "datefmt": datefmt,
                "use_datetime_directive": use_datetime_directive,
                "log_record_order": log_record_order,
                "utc": utc,
                "use_rfc3339": use_rfc3339,
                "serialize_stacktrace": serialize_stacktrace,
            }
            self._configure(level, options, kwargs)
        if log_uncaught_exceptions:
            sys.excepthook = self._uncaught

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Whatever else a logger of ``logging`` has is this one's too."""
            if name == "_logger":
                raise AttributeError(name)
            return getattr(self._logger, name)

    # ------------------------------------------------------------------ setting up

    def _new_handler(self, stream: Any) -> logging.Handler:
        return StdoutHandler(stream, shared=not environment.truthy("POWERTOOLS_LOG_DEDUPLICATION_DISABLED"))

    def _configure(self, level: str | int | None, options: dict[str, Any], keys: dict[str, Any]) -> None:
        """Do for the first logger of a service what the others then share."""
        assert self.logger_handler is not None
        self.setLevel(level)
        self._configure_sampling()
        self._logger.addHandler(self.logger_handler)
        self.structure_logs(formatter_options=options, **keys)
        if not environment.truthy("POWERTOOLS_LOG_DEDUPLICATION_DISABLED"):
            for handler in logging.root.handlers:
                # pytest's caplog is to see them.
                if type(handler).__name__ != "LogCaptureHandler":
                    handler.addFilter(SuppressFilter(self.service))
        # The names that Powertools gives these, for code that looks.
        mark: Any = self._logger
        mark.init = True
        mark.powertools_handler = self.logger_handler
        mark.powertools_buffer_config = self._buffer_config
        mark.powertools_buffer_cache = self._buffer_cache

    def _configure_sampling(self) -> None:
        if not self.sampling_rate:
            return
        try:
            rate = float(self.sampling_rate)
        except (TypeError, ValueError):
            raise InvalidLoggerSamplingRateError(
                f"the sampling rate is a number from 0 to 1, not {self.sampling_rate!r}; it comes from sampling_rate "
                "or POWERTOOLS_LOGGER_SAMPLE_RATE"
            ) from None
        # Not `random`: its import is half of this one's, and a program's seed would decide for us.
        if rate > 0 and int.from_bytes(os.urandom(7)) <= rate * 2**56:
            self._logger.setLevel(logging.DEBUG)

    def refresh_sample_rate_calculation(self) -> None:
        """Draw again whether this invocation is logged from DEBUG on."""
        self._logger.setLevel(self.initial_log_level)
        self._configure_sampling()

    def structure_logs(
        self, append: bool = False, formatter_options: dict[str, Any] | None = None, **keys: Any
    ) -> None:
        """Set the keys of every line: these and no others, or (``append``) these as well."""
        log_keys = {**self._default_log_keys, **keys}
        if not getattr(self._logger, "init", False) and not self.child:
            assert self.logger_handler is not None
            formatter = self.logger_formatter or LambdaPowertoolsFormatter(**(formatter_options or {}), **log_keys)
            self.logger_handler.setFormatter(formatter)
            formatter.append_keys(**{key: value for key, value in log_keys.items() if key not in PARAMETERS})
            return
        if append:
            self.append_keys(**keys)
            return
        formatter = self.registered_formatter
        formatter.clear_state()
        formatter.thread_safe_clear_keys()
        formatter.append_keys(**log_keys)

    def _uncaught(self, kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        if issubclass(kind, Exception):
            self.exception(error, exc_info=(kind, error, traceback))
        else:
            sys.__excepthook__(kind, error, traceback)  # Ctrl-C is no error to log

    # ------------------------------------------------------------------ invocations

    def inject_lambda_context(
        self,
        lambda_handler: Callable[..., Any] | None = None,
        log_event: bool | None = None,
        correlation_id_path: str | None = None,
        clear_state: bool | None = False,
        flush_buffer_on_uncaught_error: bool = False,
    ) -> Any:
        """Decorate a Lambda handler, sync or async: lines carry what is known of the function and the invocation.

        Args:
            log_event: Log the event (``POWERTOOLS_LOGGER_LOG_EVENT``).
            correlation_id_path: Where in the event the correlation id is (JMESPath; see `correlation_paths`).
            clear_state: Begin each invocation without the keys that were appended before.
            flush_buffer_on_uncaught_error: Write what was buffered when the handler raises.

        Example:
            >>> @logger.inject_lambda_context(log_event=True)
            ... def handler(event, context): ...
        """
        if log_event is None:
            log_event = environment.truthy("POWERTOOLS_LOGGER_LOG_EVENT")
        options = (log_event, correlation_id_path, bool(clear_state), flush_buffer_on_uncaught_error)
        if lambda_handler is None:
            return lambda handler: decorate(self, handler, *options)
        return decorate(self, lambda_handler, *options)

    # ------------------------------------------------------------------ the logger of `logging`

    def setLevel(self, level: str | int | None) -> None:  # noqa: N802 - logging's name
        """Set the lowest level; Lambda's own setting goes before it."""
        lowest = levels.of_lambda()
        asked = levels.wanted(level)
        if lowest is not None and asked is not None and lowest > asked:
            warnings.warn(
                f"Current log level ({logging.getLevelName(asked)}) does not match AWS Lambda Advanced Logging "
                f"Controls minimum log level ({logging.getLevelName(lowest)}). This can lead to data loss, consider "
                "adjusting them.",
                UserWarning,
                stacklevel=2,
            )
        config = self._buffer_config
        if config is not None and lowest is not None and lowest > levels.wanted(config.buffer_at_verbosity):  # type: ignore[operator]
            warnings.warn(
                "Advanced Logging Controls (ALC) Log Level is less verbose than Log Buffering Log Level. "
                "Buffered logs will be filtered by ALC",
                PowertoolsUserWarning,
                stacklevel=2,
            )
        self._logger.setLevel(levels.in_force(level))

    def addHandler(self, handler: logging.Handler) -> None:  # noqa: N802 - logging's name
        """Add a handler; it gets the formatter that it has."""
        self._logger.addHandler(handler)

    def addFilter(self, filter: Any) -> None:  # noqa: N802 - logging's names
        """Add a filter."""
        self._logger.addFilter(filter)

    def removeFilter(self, filter: Any) -> None:  # noqa: N802 - logging's names
        """Remove a filter."""
        self._logger.removeFilter(filter)

    @property
    def log_level(self) -> int:
        """The lowest level."""
        return self._logger.level

    @property
    def name(self) -> str:
        """The logger's name."""
        return self._logger.name

    @property
    def handlers(self) -> list[logging.Handler]:
        """The logger's handlers."""
        return self._logger.handlers
