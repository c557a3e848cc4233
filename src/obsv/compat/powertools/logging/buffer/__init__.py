"""Records that are only written when something goes wrong."""

from __future__ import annotations

from .config import LoggerBufferConfig

__all__ = ["LoggerBufferConfig"]
