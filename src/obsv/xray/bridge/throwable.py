"""Exceptions that are noted on segments and subsegments."""

from __future__ import annotations

import os

from obsv.hotpath.errors import safe_text, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from obsv.hotpath.span import Span

REMOTE = "aws.xray.remote"
"""Attribute of an exception's event: what was called has raised it."""


_OURS = os.path.dirname(__file__) + os.sep  # the wrappers' own frames say nothing to anybody


class Throwable:
    """An exception as a segment shows it."""

    def __init__(self, exception: Any, stack: Any, remote: bool = False) -> None:
        self.id = os.urandom(8).hex()
        self.message = safe_text(exception)
        self.type = type(exception).__name__
        self.remote = bool(remote)
        self.stack = _frames(stack)

    def to_dict(self) -> dict[str, Any]:
        """Return what is known."""
        return {key: value for key, value in vars(self).items() if value or value is False}


Throwable.__module__ = "aws_xray_sdk.core.models.throwable"


def _frames(stack: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    try:
        for entry in stack or ():
            path, line, label = entry[0], entry[1], entry[2]
            found.append({"path": os.path.basename(str(path)), "line": line, "label": str(label)})
    except Exception:  # noqa: BLE001 - whatever the program has given
        pass
    return found


def recorded(span: Span, exception: Any, thrown: Throwable) -> str:
    """Note an exception on a span, and return the message of its status.

    What is no exception, or has no traceback, is noted as text, with the frames that were given.
    """
    attributes = {REMOTE: True} if thrown.remote else None
    if isinstance(exception, BaseException):
        kind = type_name(exception)
        if exception.__traceback__ is not None or not thrown.stack:
            span.record_exception(exception, attributes)
            info = span.event_list[-1].error if span.event_list else None
            if info is not None:
                info.frames[:] = [frame for frame in info.frames if not frame[0].co_filename.startswith(_OURS)]
            return f"{thrown.type}: {thrown.message}"
    else:
        kind = thrown.type
    lines = [f'  File "{frame["path"]}", line {frame["line"]}, in {frame["label"]}' for frame in thrown.stack]
    event = {"exception.type": kind, "exception.message": thrown.message}
    if lines:
        event["exception.stacktrace"] = "\n".join(["Traceback (most recent call last):", *lines])
    span.add_event("exception", {**event, **(attributes or {})})
    return f"{thrown.type}: {thrown.message}"
