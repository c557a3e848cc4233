"""aws-embedded-metrics with the same calls, on top of obsv's EMF documents.

    from obsv.compat.emf import metric_scope

    @metric_scope
    def handler(event, context, metrics):
        metrics.put_dimensions({"Shop": "north"})
        metrics.put_metric("Latency", 12.5, "Milliseconds")

The modules below have the names that they have in ``aws_embedded_metrics``, which need not be installed; nor has
``obsv.init()`` to be called. What is the same, what is better and what is not there:
docs/coming-from-aws-embedded-metrics.md.
"""

from __future__ import annotations

__all__ = [
    "MetricsContext",
    "MetricsLogger",
    "StorageResolution",
    "Unit",
    "create_metrics_logger",
    "get_config",
    "metric_scope",
]

_HOMES = {
    "MetricsContext": "logger.metrics_context",
    "MetricsLogger": "logger.metrics_logger",
    "StorageResolution": "storage_resolution",
    "Unit": "unit",
    "create_metrics_logger": "logger.metrics_logger_factory",
    "get_config": "config",
    "metric_scope": "scope",
}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .config import get_config
    from .logger.metrics_context import MetricsContext
    from .logger.metrics_logger import MetricsLogger
    from .logger.metrics_logger_factory import create_metrics_logger
    from .scope import metric_scope
    from .storage_resolution import StorageResolution
    from .unit import Unit
else:

    def __getattr__(name: str) -> object:
        """Load a public name from its home when it is first used (PEP 562)."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(__import__(f"{__name__}.{home}", fromlist=[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted([*globals(), *__all__])
