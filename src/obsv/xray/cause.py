"""What went wrong: the ``error``, ``throttle`` and ``fault`` flags, and the ``cause`` with exceptions and stacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .names import integer, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obsv.hotpath.errors import ErrorInfo
    from obsv.hotpath.records import Event
    from obsv.hotpath.span import Span

MAX_FRAMES = 50
"""Frames of one stack that are written, the innermost ones; ``truncated`` says how many were left out."""

_ERROR = 2
_MASK = 0xFFFFFFFFFFFFFFFF

# Errors by which AWS services say "slower", many of them with status 400 (the list of botocore's standard retries).
_THROTTLING = frozenset(
    (
        "TooManyRequestsException",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "PriorRequestNotComplete",
        "EC2ThrottledException",
    )
)


FLAGS = ("aws.xray.error", "aws.xray.throttle", "aws.xray.fault")
"""Attributes by which a program sets the flags itself (the bridge of aws-xray-sdk does)."""

_REMOTE = "aws.xray.remote"  # attribute of an exception's event


def flags(span: Span) -> dict[str, bool]:
    """Return those of ``error``, ``throttle`` and ``fault`` that are true (X-Ray, "Errors, faults, and exceptions").

    A status of 4xx is an error, 429 an error and throttle, 5xx a fault. Any other span that failed is a fault, unless
    the program has set flags itself.
    """
    attributes = span.attributes
    given = {flag.rpartition(".")[2]: True for flag in FLAGS if attributes.get(flag) is True}
    return {**_by_status(span, attributes, bool(given)), **given}


def _by_status(span: Span, attributes: dict[str, Any], given: bool) -> dict[str, bool]:
    status = integer(attributes.get("http.response.status_code", attributes.get("http.status_code")))
    kind = attributes.get("error.type")
    throttled = isinstance(kind, str) and kind in _THROTTLING
    if status is not None and 400 <= status < 500:
        return {"error": True, "throttle": True} if status == 429 or throttled else {"error": True}
    if status is not None and 500 <= status < 600:
        return {"fault": True, "throttle": True} if status == 503 and throttled else {"fault": True}
    if span.status_value == _ERROR and not given:
        return {"error": True, "throttle": True} if throttled else {"fault": True}
    return {}


def cause(span: Span) -> dict[str, Any] | None:
    """Return the ``cause`` block: the span's exceptions with the chains behind them, or its status message."""
    exceptions: list[dict[str, Any]] = []
    remote = span.kind_value in (2, 3)  # client, producer: it happened over there
    for event in span.event_list or ():
        if event.error is not None:
            there = event.attributes.get(_REMOTE, remote) is True
            exceptions.extend(_chain(event.error, span.id64, len(exceptions), there))
        elif event.name == "exception":
            exceptions.append(_foreign(event, span.id64, len(exceptions), remote))
    if not exceptions and span.status_value == _ERROR and span.status_message:
        exceptions.append({"id": _identity(span.id64, 0), "message": text(span.status_message), "remote": remote})
    return {"exceptions": exceptions} if exceptions else None


def _chain(error: ErrorInfo, id64: int, start: int, remote: bool) -> Iterator[dict[str, Any]]:
    info: ErrorInfo | None = error
    while info is not None:
        made: dict[str, Any] = {"id": _identity(id64, start)}
        message = "\n".join([text(info.message), *[text(note) for note in info.notes]])
        if message:
            made["message"] = message
        made["type"] = text(info.type)
        made["remote"] = remote
        frames = info.stack()[::-1]  # X-Ray shows the first as the top, where it was raised
        truncated = max(0, len(frames) - MAX_FRAMES) + getattr(info, "skipped", 0)
        if truncated:
            made["truncated"] = truncated
        if frames:
            made["stack"] = [
                {"path": path, "line": line or 0, "label": label} for path, line, label in frames[:MAX_FRAMES]
            ]
        start += 1
        info = info.cause
        if info is not None:
            made["cause"] = _identity(id64, start)
        yield made


def _foreign(event: Event, id64: int, index: int, remote: bool) -> dict[str, Any]:
    """An exception that somebody recorded as text (OpenTelemetry semantic conventions, "Exceptions")."""
    attributes = event.attributes
    made: dict[str, Any] = {"id": _identity(id64, index)}
    for field, key in (("message", "exception.message"), ("type", "exception.type")):
        if attributes.get(key):
            made[field] = text(attributes[key])
    made["remote"] = attributes.get(_REMOTE, remote) is True
    stack = _parse(text(attributes.get("exception.stacktrace") or ""))
    if len(stack) > MAX_FRAMES:
        made["truncated"] = len(stack) - MAX_FRAMES
    if stack:
        made["stack"] = stack[:MAX_FRAMES]
    return made


def _parse(traceback: str) -> list[dict[str, Any]]:
    """Read the frames of the last part of a Python traceback, innermost first."""
    stack: list[dict[str, Any]] = []
    for line in traceback.splitlines():
        line = line.strip()
        if line.startswith("Traceback (most recent call last)"):
            stack.clear()
        elif line.startswith('File "') and ", line " in line:
            path, _, position = line[6:].rpartition('", line ')
            number, _, label = position.partition(", in ")
            stack.append({"path": path, "line": integer(number) or 0, "label": label})
    return stack[::-1]


def _identity(id64: int, index: int) -> str:
    """An exception id, 16 hex digits: the same each time the same span is written."""
    return f"{(id64 + (index + 1) * 0x9E3779B97F4A7C15) & _MASK:016x}"
