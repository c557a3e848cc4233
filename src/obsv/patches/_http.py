"""What HTTP servers and clients share: known methods and default ports."""

from __future__ import annotations

from ..hotpath.http_client import METHODS, PORTS

__all__ = ["METHODS", "PORTS"]
