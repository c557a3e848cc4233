"""The logger that a program measures with."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from obsv.guard import guard
from obsv.hotpath.errors import safe_text

from .. import validator
from ..config import get_config
from ..environment import resolve
from ..storage_resolution import StorageResolution
from .metrics_context import MetricsContext

if TYPE_CHECKING:
    from collections.abc import Callable


class MetricsLogger:
    """Gathers metrics and writes them when it is flushed: to stdout in Lambda, to the CloudWatch agent elsewhere.

    Args:
        resolve_environment: Returns an environment of one's own (or awaits it): an object with ``get_name``,
            ``get_type``, ``get_log_group_name``, ``configure_context`` and ``get_sink``.
        context: What was gathered before.

    Attributes:
        flush_preserve_dimensions: Whether dimension sets stay after a flush.

    Example:
        >>> metrics = create_metrics_logger()
        >>> metrics.put_metric("Latency", 12.5, "Milliseconds").flush_sync()
    """

    def __init__(
        self, resolve_environment: Callable[[], Any] | None = None, context: MetricsContext | None = None
    ) -> None:
        self.resolve_environment = resolve_environment or resolve
        self.context = context or MetricsContext.empty()
        self.flush_preserve_dimensions = False

    def flush_sync(self) -> None:
        """Write what was gathered. Never raises, and never waits for a network."""
        with guard("flushing metrics"):
            environment = self.resolve_environment()
            self._write(environment if not hasattr(environment, "__await__") else _finish(environment))

    async def flush(self) -> None:
        """Write what was gathered. Never raises, and never waits for a network."""
        with guard("flushing metrics"):
            environment = self.resolve_environment()
            self._write(environment if not hasattr(environment, "__await__") else await environment)

    def _write(self, environment: Any) -> None:
        context, config = self.context, get_config()
        # First, so that what fails now is not tried for ever.
        self.context = context.create_copy_with_context(self.flush_preserve_dimensions)
        if not context.fresh:
            return  # the original writes a line without metrics, at each item of a generator
        context.set_default_dimensions(
            {
                "LogGroup": environment.get_log_group_name(),
                "ServiceName": config.service_name or environment.get_name(),
                "ServiceType": config.service_type or environment.get_type(),
            }
        )
        environment.configure_context(context)
        self.context.default_dimensions = dict(context.default_dimensions)
        environment.get_sink().accept(context)

    def put_metric(
        self,
        key: str,
        value: float,
        unit: Any = "None",
        storage_resolution: StorageResolution = StorageResolution.STANDARD,
    ) -> MetricsLogger:
        """Add a value to a metric.

        Args:
            key: Its name.
            value: A finite number.
            unit: One of CloudWatch's words, or a `Unit`.
            storage_resolution: How fine CloudWatch stores it.

        Raises:
            InvalidMetricError: One of them is none that CloudWatch takes.
        """
        self.context.put_metric(key, value, unit, storage_resolution)
        return self

    def put_dimensions(self, dimensions: dict[str, str]) -> MetricsLogger:
        """Add a dimension set, beside those that are there; one with the same names goes.

        Raises:
            DimensionSetExceededError: It has more than 30 dimensions.
            InvalidDimensionError: A name or value is none that CloudWatch takes.
        """
        self.context.put_dimensions(dimensions)
        return self

    def set_dimensions(self, *dimensions: dict[str, str], use_default: bool = False) -> MetricsLogger:
        """Have these dimension sets and no others; raises as `put_dimensions`."""
        self.context.set_dimensions(dimensions, use_default)
        return self

    def reset_dimensions(self, use_default: bool) -> MetricsLogger:
        """Have no dimension sets, or (``use_default``) that of the default dimensions only."""
        self.context.reset_dimensions(use_default)
        return self

    def set_property(self, key: str, value: Any) -> MetricsLogger:
        """Put something beside the metrics, to be searched for in the logs; any value. It stays after a flush."""
        self.context.set_property(key, value)
        return self

    def set_namespace(self, namespace: str) -> MetricsLogger:
        """Set the CloudWatch namespace.

        Raises:
            InvalidNamespaceError: It is none that CloudWatch takes.
        """
        self.context.namespace = validator.namespace(namespace)
        return self

    def set_timestamp(self, timestamp: Any) -> MetricsLogger:
        """Say when it happened, for the next flush: a ``datetime``.

        Raises:
            InvalidTimestampError: It is more than 14 days ago or more than 2 hours ahead.
        """
        self.context.set_timestamp(timestamp)
        return self

    def add_stack_trace(self, key: str, details: Any = None, exc_info: Any = None) -> MetricsLogger:
        """Put the exception being handled, or the one given, beside the metrics, with ``details``."""
        kind, error, traceback = exc_info or sys.exc_info()
        said: dict[str, Any] = {"details": details} if _says_something(details) else {}
        if kind is None:
            said.update(error_type=None, error_str=None, traceback=None)
        else:
            from traceback import format_tb

            name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
            said.update(error_type=name, error_str=safe_text(error), traceback="".join(format_tb(traceback)))
        return self.set_property(key, said)

    def new(self) -> MetricsLogger:
        """Return a logger that begins with these properties and no metrics."""
        return MetricsLogger(self.resolve_environment, self.context.create_copy_with_context())


def _says_something(details: Any) -> bool:
    try:
        return bool(details)
    except Exception:  # noqa: BLE001 - an array of NumPy's is neither true nor false
        return True


def _finish(waiting: Any) -> Any:
    """Return what an awaitable ends with, from synchronous code; most of them wait for nothing."""
    steps = waiting.__await__()
    try:
        steps.send(None)
    except StopIteration as stop:
        return stop.value
    steps.close()
    raise RuntimeError("flush_sync() cannot wait for this environment; use `await flush()`")
