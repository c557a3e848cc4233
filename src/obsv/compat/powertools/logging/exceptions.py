"""What the Logger raises, as documented by Powertools."""

from __future__ import annotations


class InvalidLoggerSamplingRateError(Exception):
    """The sampling rate is no number."""


class OrphanedChildLoggerError(Exception):
    """Keys were changed on a child logger whose parent does not exist yet."""
