"""The warnings that OpenTelemetry's SDK logs when a call has no effect."""

from __future__ import annotations

from logging import ERROR, WARNING, getLogger

_logger = getLogger("obsv.otel")


def warn(what: str, error: bool = False) -> None:
    """Log that a call did nothing; ``what`` ends with ``;`` where it says the reason itself."""
    text = what.rstrip(";") if what.endswith(";") else f"{what} was called on a span that has ended"
    _logger.log(ERROR if error else WARNING, "%s", text)
