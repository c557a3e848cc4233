"""What HTTP servers and clients share: known methods and default ports."""

from __future__ import annotations

METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"))
"""Methods that name spans and series; any other one is ``_OTHER`` (semantic conventions, ``http.request.method``)."""

PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
"""The port of a scheme, where none is named."""
