"""What the patches of HTTP clients share; it runs for each request, so the hot path has it."""

from __future__ import annotations

from ..hotpath.http_client import (
    answered,
    below_client,
    connected,
    describe,
    into_list,
    into_store,
    left_to_connection,
    origin,
    redact,
    send_context,
    set_connections,
    text,
    write_late,
    writes_late,
)

__all__ = [
    "answered",
    "below_client",
    "connected",
    "describe",
    "into_list",
    "into_store",
    "left_to_connection",
    "origin",
    "redact",
    "send_context",
    "set_connections",
    "text",
    "write_late",
    "writes_late",
]
