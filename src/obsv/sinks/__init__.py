"""The destinations of telemetry, one module each."""

from .base import NAMES, SIGNALS, Batch, Refused, Retry, Sent, SinkError, create

__all__ = ["NAMES", "SIGNALS", "Batch", "Refused", "Retry", "Sent", "SinkError", "create"]
