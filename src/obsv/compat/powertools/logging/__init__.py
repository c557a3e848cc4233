"""The Logger of Powertools."""

from __future__ import annotations

from . import correlation_paths
from .logger import Logger

__all__ = ["Logger", "correlation_paths"]
