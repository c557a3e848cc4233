"""The environment variables of Powertools, and how a word among them is read."""

from __future__ import annotations

import os

from obsv.hotpath import faults

SERVICE_NAME = "POWERTOOLS_SERVICE_NAME"
DEV = "POWERTOOLS_DEV"
TRACE_ID = "_X_AMZN_TRACE_ID"

_YES = frozenset(("1", "y", "yes", "t", "true", "on"))
_NO = frozenset(("0", "n", "no", "f", "false", "off", ""))


def truthy(name: str, default: bool = False) -> bool:
    """Return what a variable says; one line and the default where it is neither yes nor no.

    The original raises ValueError there, which ends a Lambda function before it has begun.
    """
    text = os.environ.get(name)
    if text is None:
        return default
    word = text.strip().lower()
    if word in _YES:
        return True
    if word not in _NO:
        faults.tell(f"{name}={text!r} is neither true nor false; {str(default).lower()} is used")
        return default
    return False if word else default


def root_trace_id() -> str | None:
    """Return the trace id that Lambda gave this invocation: ``1-…-…``, or None."""
    header = os.environ.get(TRACE_ID)
    if not header:
        return None
    for pair in header.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == "Root":
            return value
    return header.split(";", 1)[0]


def current_trace_id() -> str | None:
    """Return the trace id of this invocation, or of the current span: outside Lambda too."""
    found = root_trace_id()
    if found is not None:
        return found
    import sys

    hot = sys.modules.get("obsv.hotpath.span")
    span = hot.current_span() if hot is not None else None
    if span is None or not span.id64:
        return None
    digits: str = span.trace_id
    return f"1-{digits[:8]}-{digits[8:]}"


def lambda_context(context: object) -> object:
    """Return the Lambda context inside of a durable one (Step Functions)."""
    if hasattr(context, "state") and hasattr(context, "lambda_context"):
        inner: object = context.lambda_context
        return inner
    return context
