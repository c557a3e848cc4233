"""OpenTelemetry's logger provider and logger, on obsv's log pipeline.

What is emitted leaves through the sinks of ``obsv.init()``. Without processors nothing of the SDK is imported;
processors that somebody adds get the SDK's own record objects, and what they change is what leaves. Whatever a
processor, a value or a context does, ``emit`` neither raises nor calls a processor while that same thread is inside of
one: records made there wait until it is done (see :mod:`obsv.logs.outlet`).
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from time import monotonic
from weakref import WeakMethod

from opentelemetry import _logs as api

from .. import guests
from ..hotpath import faults
from ..hotpath import span as hot
from ..hotpath.errors import safe_text
from ..hotpath.span import Scope
from ..logs import outlet
from ..patches import in_force, when_imported
from ..settings import resolve
from . import log_convert
from .log_convert import Limits
from .log_processors import Processors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.util.types import Attributes

    from ..hotpath.records import LogRecord

MAX_LOGGERS = 1000
"""Loggers that are remembered. A program that makes a scope for each request must not fill the memory."""


class LoggerProvider(api.LoggerProvider):
    """Give out loggers whose records go where ``obsv.init()`` sends logs, and to the processors that are added.

    The parameters are those of ``opentelemetry.sdk._logs.LoggerProvider``, for which it passes in ``isinstance``.

    Args:
        resource: What processors see as the origin; obsv's sinks send that of ``obsv.init()``.
        shutdown_on_exit: Whether processors are shut down when the interpreter ends.
        multi_log_record_processor: The SDK's object that holds the processors; one is made when it is needed.
        meter_provider: Where the SDK's own metrics go, with ``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED=true``.
        log_record_limits: The SDK's ``LogRecordLimits``; by default those of the settings
            ``log_attribute_count_limit`` and ``log_attribute_length_limit``.
        _logger_configurator: Decides by scope which loggers are on.

    Example:
        >>> logger = LoggerProvider().get_logger("checkout")
        >>> logger.emit(body="paid", severity_number=SeverityNumber.INFO, attributes={"order.id": 7})
    """

    def __init__(
        self,
        resource: Resource | None = None,
        shutdown_on_exit: bool = True,
        multi_log_record_processor: Any = None,
        *,
        meter_provider: Any = None,
        log_record_limits: Any = None,
        _logger_configurator: Callable[[Any], Any] | None = None,
    ) -> None:
        self._given_resource = resource
        self._processors = Processors(multi_log_record_processor)
        self._shut = False
        self._given_limits = log_record_limits
        self._limits: Limits | None = None if log_record_limits is None else _limits_of(log_record_limits)
        self._settings: Any = None  # those that the limits were read from
        if not hot.OUTLET.enabled:
            self._read_environment()
        self._logger_configurator = _logger_configurator
        self._logger_cache: dict[tuple[str, str | None, str | None], Logger] = {}
        self._lock = threading.Lock()
        self._flush: Callable[[float], bool] | None = None
        self._disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        self._count_created = _counter(meter_provider)
        self._at_exit_handler: Any = atexit.register(self.shutdown) if shutdown_on_exit else None
        _recognise()
        if hasattr(os, "register_at_fork"):
            forked = WeakMethod(self._after_fork)
            os.register_at_fork(after_in_child=lambda: (method := forked()) and method())

    def _read_environment(self) -> None:
        """Without ``obsv.init()``, begin as the SDK's provider does: with what the environment says now."""
        if self._limits is None:
            self._limits = _limits_from(resolve({}, raise_strict=False))
        sdk = sys.modules.get("opentelemetry.sdk.resources")
        if self._given_resource is None and sdk is not None:
            self._given_resource = sdk.Resource.create({})

    # ------------------------------------------------------------------ OpenTelemetry's API

    def get_logger(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes | None = None,
    ) -> api.Logger:
        """Return the logger of an instrumentation scope."""
        if self._disabled:
            return api.NoOpLogger(name, version=version, schema_url=schema_url, attributes=attributes)
        name, version, schema_url = _text(name) or "", _text(version), _text(schema_url)
        if attributes is not None:
            cleaned, _ = log_convert.bounded(attributes, Limits(None, None))
            return Logger(self, Scope(name, version, None, schema_url, cleaned))
        key = (name, version, schema_url)
        logger = self._logger_cache.get(key)
        if logger is None:
            logger = Logger(self, Scope(name, version, None, schema_url))
            if len(self._logger_cache) < MAX_LOGGERS:
                logger = self._logger_cache.setdefault(key, logger)
        return logger

    def add_log_record_processor(self, log_record_processor: Any) -> None:
        """Show every record, also of loggers that exist already, to an SDK ``LogRecordProcessor`` before it leaves."""
        self._shut = False
        self._processors.add(log_record_processor)
        self._be_guest()

    def _be_guest(self) -> None:
        if self is _provider:
            guests.add(guests.Guest("log record processors", self._flush_processors, self._let_go))

    def _flush_processors(self, seconds: float) -> bool:
        return self._shut or self._processors.force_flush(seconds)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the processors, then send what is queued; True when everything left in time."""
        try:
            seconds = timeout_millis / 1000
        except Exception:  # noqa: BLE001 - whatever was given
            faults.tell("force_flush() needs milliseconds; 30,000 are used", key="force_flush")
            seconds = 30.0
        deadline = monotonic() + seconds
        everything = self._processors.force_flush(seconds)
        if self._flush is not None:
            everything = self._flush(max(0.0, deadline - monotonic())) and everything
        return everything

    def _let_go(self) -> Callable[[float], bool]:
        """Forget the processors, so that another ``init()`` begins with none; return what shuts them down with obsv,
        unless the program has."""
        processors, ended = self._processors, self._shut
        self._processors, self._shut = Processors(), False
        return lambda seconds: ended or processors.shutdown()

    def shutdown(self) -> None:
        """Shut the processors down and send what is queued. obsv itself goes on: ``obsv.shutdown()`` ends it."""
        self._shut = True
        self._processors.shutdown()
        if self._flush is not None:
            self._flush(30.0)
        handler, self._at_exit_handler = self._at_exit_handler, None
        if handler is not None:
            atexit.unregister(handler)

    # ------------------------------------------------------------------ what the SDK's provider shows besides

    @property
    def resource(self) -> Resource:
        """The SDK's form of the resource; it is imported when somebody asks."""
        if self._given_resource is None:
            from opentelemetry.sdk.resources import Resource

            ours = hot.OUTLET.resource
            self._given_resource = Resource(dict(ours)) if ours else Resource.create({})
        return self._given_resource

    @property
    def _resource(self) -> Resource:
        return self.resource

    def _update_resource(self, resource: Resource) -> None:
        with self._lock:
            self._given_resource = self.resource.merge(resource)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()
        if self._given_resource is None:
            return
        try:
            from opentelemetry.sdk.resources import _get_process_dependent_resource

            self._given_resource = self._given_resource.merge(_get_process_dependent_resource())
        except Exception:  # noqa: BLE001 - an older SDK; the child keeps its parent's
            pass

    @property
    def _multi_log_record_processor(self) -> Any:
        self._be_guest()
        return self._processors.multi()

    def _set_logger_configurator(self, *, logger_configurator: Callable[[Any], Any]) -> None:
        self._logger_configurator = logger_configurator

    @property
    def _log_record_limits(self) -> Any:
        """The SDK's form of the limits."""
        limits = self.limits()
        if self._given_limits is None:
            from opentelemetry.sdk._logs import LogRecordLimits

            unset = LogRecordLimits.UNSET
            count = unset if limits.count is None else limits.count
            length = unset if limits.length is None else limits.length
            self._given_limits = LogRecordLimits(
                max_attributes=count,
                max_attribute_length=length,
                max_log_record_attributes=count,
                max_log_record_attribute_length=length,
            )
        return self._given_limits

    def limits(self) -> Limits:
        """Return the limits in force: those that were given, or those of ``obsv.init()``."""
        if self._limits is None or self._settings is not None:
            settings = in_force()
            if settings is not self._settings:
                self._settings, self._limits, self._given_limits = settings, _limits_from(settings), None
        assert self._limits is not None
        return self._limits


class Logger(api.Logger):
    """Emit records of one scope."""

    def __init__(self, provider: LoggerProvider, scope: Scope) -> None:
        super().__init__(scope.name, scope.version, scope.schema_url, scope.attributes)
        self._provider = provider
        self._scope = scope
        self._sdk_scope: Any = None
        self._config: Any = None
        self._judge: Callable[[Any], Any] | None = None

    def emit(
        self,
        record: Any = None,
        *,
        timestamp: int | None = None,
        observed_timestamp: int | None = None,
        context: Any = None,
        severity_number: Any = None,
        severity_text: str | None = None,
        body: Any = None,
        attributes: Any = None,
        event_name: str | None = None,
        exception: BaseException | None = None,
    ) -> None:
        """Emit a log record (OpenTelemetry logs API, "Emit a LogRecord"): ``record``, or one of the other arguments.

        Args:
            record: An ``opentelemetry._logs.LogRecord`` or an SDK ``ReadWriteLogRecord``.
            timestamp: When it happened, nanoseconds since the Unix epoch.
            observed_timestamp: When it was noticed; now, if it is not given.
            context: Whose span it belongs to; the current one, if it is not given.
            severity_number: A ``SeverityNumber``.
            severity_text: The level's word in its own source.
            body: The message: anything that an attribute may be.
            attributes: Cleaned by the rules of attributes; the newest are kept where there are too many.
            event_name: Makes it an event.
            exception: Adds ``exception.*`` attributes, where ``attributes`` has none of the same name.
        """
        try:
            if not self._is_enabled():
                return
            given = {
                "timestamp": timestamp,
                "observed_timestamp": observed_timestamp,
                "context": context,
                "severity_number": severity_number,
                "severity_text": severity_text,
                "body": body,
                "attributes": attributes,
                "event_name": event_name,
                "exception": exception,
            }
            self._emit(record, given, _is_second_way(sys._getframe(1)))
        except Exception as error:  # noqa: BLE001 - logging never fails the caller
            faults.report("emitting a log record", error)

    def enabled(self, *, context: Any = None, severity_number: Any = None, event_name: str | None = None) -> bool:
        """Tell whether a record would be taken by anybody."""
        if not self._is_enabled():
            return False
        return outlet.open_to() or self._provider._processors.enabled(
            context=context,
            instrumentation_scope=self._instrumentation_scope if self._provider._processors else None,
            severity_number=severity_number,
            event_name=event_name,
        )

    def _emit(self, record: Any, given: dict[str, Any], second: bool) -> None:
        provider = self._provider
        if provider._count_created is not None:
            provider._count_created()
        if provider._processors and outlet.may_export():
            # Now, in the thread and the context that emit; the processors may have to wait.
            outlet.emit(_Processing(self, provider._processors.record(self, record, given), second))
        elif second:
            return
        elif record is None:
            outlet.emit(log_convert.from_call(self._scope, provider.limits(), given))
        elif hasattr(record, "log_record"):
            outlet.emit(log_convert.from_processed(self._scope, record))
        else:
            outlet.emit(log_convert.from_api(self._scope, provider.limits(), record))

    # ------------------------------------------------------------------ what the SDK's logger shows besides

    def _is_enabled(self) -> bool:
        judge = self._provider._logger_configurator
        if judge is None:
            return True
        if self._judge is not judge:
            try:
                self._config = judge(self._instrumentation_scope)
            except Exception as error:  # noqa: BLE001 - the user's
                self._config = None
                faults.tell(
                    f"the logger configurator failed for {self._scope.name!r}: {type(error).__name__}; it is on"
                )
            self._judge = judge
        return bool(getattr(self._config, "is_enabled", True))

    @property
    def _instrumentation_scope(self) -> Any:
        if self._sdk_scope is None:
            from opentelemetry.sdk.util.instrumentation import InstrumentationScope

            scope = self._scope
            self._sdk_scope = InstrumentationScope(scope.name, scope.version, scope.schema_url, scope.attributes)
        return self._sdk_scope

    @property
    def instrumentation_scope(self) -> Any:
        """The SDK's form of the scope."""
        return self._instrumentation_scope

    @property
    def resource(self) -> Resource:
        """The provider's resource."""
        return self._provider.resource


class _Processing:
    """A record on its way through the processors."""

    __slots__ = ("logger", "record", "second")

    def __init__(self, logger: Logger, record: Any, second: bool) -> None:
        self.logger = logger
        self.record = record
        self.second = second

    def process(self) -> LogRecord | None:
        """Show the record to every processor, and return what is to leave through obsv's sinks."""
        if self.record is None:
            return None
        self.logger._provider._processors.on_emit(self.record)
        if self.second or not outlet.open_to():
            return None
        return log_convert.from_processed(self.logger._scope, self.record)


def _is_second_way(frame: Any) -> bool:
    """Tell whether a ``logging`` handler of OpenTelemetry's emits a record that obsv's own handler has let out.

    Programs that come from the SDK have such a handler on their root logger; it still serves their processors.
    """
    if frame.f_code.co_name != "emit":
        return False
    handler = sys.modules.get("obsv.logs.handler")
    logging = sys.modules.get("logging")
    if handler is None or logging is None:
        return False
    names = frame.f_locals
    record = names.get("record")
    if not isinstance(names.get("self"), logging.Handler) or not isinstance(record, logging.LogRecord):
        return False
    return not handler.take(record)


def _limits_of(given: Any) -> Limits:
    return Limits(
        getattr(given, "max_log_record_attributes", None), getattr(given, "max_log_record_attribute_length", None)
    )


def _limits_from(settings: Any) -> Limits:
    return Limits(settings.log_attribute_count_limit, settings.log_attribute_length_limit)


def _text(value: object) -> str | None:
    return value if value is None or type(value) is str else safe_text(value)


def _counter(meter_provider: Any) -> Callable[[], None] | None:
    """Return what counts emitted records, where the SDK's metrics about itself are asked for."""
    if os.environ.get("OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED", "").strip().lower() != "true":
        return None
    try:
        from opentelemetry.metrics import get_meter_provider
        from opentelemetry.sdk._logs._internal._logger_metrics import create_logger_metrics

        made = create_logger_metrics(meter_provider or get_meter_provider(), True)
        emit: Callable[[], None] = made.emit_log
        return emit
    except Exception:  # noqa: BLE001 - an older SDK has none
        return None


# ---------------------------------------------------------------------- isinstance, and the global provider

_recognising = False


def _recognise() -> None:
    """Let ``isinstance`` with the SDK's classes hold, as soon as the SDK is imported."""
    global _recognising
    if _recognising:
        return
    _recognising = True

    def register(module: Any) -> None:
        module.LoggerProvider.register(LoggerProvider)
        module.Logger.register(Logger)

    when_imported("opentelemetry.sdk._logs._internal", register)


_provider: LoggerProvider | None = None


def install(flush: Callable[[float], bool]) -> None:
    """Make a provider of obsv's the global one, unless the program has set another already.

    Args:
        flush: What its ``force_flush()`` calls, with seconds; it tells whether everything left in time.
    """
    global _provider
    from opentelemetry._logs import _internal as state

    if _provider is None:
        _provider = LoggerProvider(shutdown_on_exit=False)  # obsv flushes and ends it at exit, in the time that is set
        _provider._flush = flush
    if state._LOGGER_PROVIDER is None:
        api.set_logger_provider(_provider)
    elif state._LOGGER_PROVIDER is not _provider:
        faults.tell(
            f"an OpenTelemetry logger provider is set already ({type(state._LOGGER_PROVIDER).__module__}); it stays, "
            "and its records are not obsv's"
        )


__all__ = ["MAX_LOGGERS", "Logger", "LoggerProvider", "install"]
