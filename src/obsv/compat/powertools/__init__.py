"""Powertools for AWS Lambda's Logger, Tracer and Metrics, with the same calls.

    from obsv.compat.powertools import Logger, Metrics, Tracer

in place of ``from aws_lambda_powertools import …``. The modules below have the names that they have there. Nothing of
Powertools, boto3 or aws-xray-sdk has to be installed, and ``obsv.init()`` need not be called. What is the same, what is
better and what is not there: docs/coming-from-powertools.md.
"""

from __future__ import annotations

__all__ = [
    "EphemeralMetrics",
    "Logger",
    "LoggerBufferConfig",
    "MetricResolution",
    "MetricUnit",
    "Metrics",
    "Tracer",
    "correlation_paths",
    "single_metric",
]

_HOMES = {
    "EphemeralMetrics": "metrics",
    "Logger": "logging",
    "LoggerBufferConfig": "logging.buffer",
    "MetricResolution": "metrics",
    "MetricUnit": "metrics",
    "Metrics": "metrics",
    "Tracer": "tracing",
    "correlation_paths": "logging",
    "single_metric": "metrics",
}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .logging import Logger, correlation_paths
    from .logging.buffer import LoggerBufferConfig
    from .metrics import EphemeralMetrics, MetricResolution, Metrics, MetricUnit, single_metric
    from .tracing import Tracer
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
