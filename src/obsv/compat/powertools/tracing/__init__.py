"""The Tracer of Powertools, with obsv's spans."""

from __future__ import annotations

from .extensions import aiohttp_trace_config
from .tracer import Tracer

__all__ = ["Tracer", "aiohttp_trace_config"]
