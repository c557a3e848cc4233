"""An exception as JSON: what it is, its stack as text and as frames, what led to it, and the members of a group.

Loaded when the first exception is written.
"""

from __future__ import annotations

from ..hotpath.jsontext import dumps, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..hotpath.errors import ErrorInfo

MAX_FRAMES = 50
"""Frames of one stack that are listed, the innermost ones; ``frames_left_out`` counts the others."""


def stack_text(error: ErrorInfo) -> str:
    """Return the traceback as Python prints it, chain and notes included. Never raises."""
    try:
        return error.text()
    except Exception:  # noqa: BLE001 - reads source files through linecache, which runs loaders of anybody
        return "".join([f'  File "{path}", line {line}, in {function}\n' for path, line, function in error.stack()])


def source_line(path: str, line: int) -> str:
    """Return the text of a line of a source file, without its indentation; empty where there is none. Never raises."""
    from linecache import getline

    try:
        return getline(path, line).strip()
    except Exception:  # noqa: BLE001 - runs loaders of anybody
        return ""


def describe(error: ErrorInfo, stack: str = "both") -> str:
    """Return the JSON object of an exception.

    Its members, those in brackets only where there is something to say: ``type``, ``message``, ``[notes]``, ``stack``
    (text), ``frames`` (``path``, ``line``, ``function``, outermost first), ``[cause]`` or ``[context]`` (the exception
    of ``raise … from …``, or the one that was being handled: the same members without ``stack``), and
    ``[exceptions]`` of a group.

    Args:
        error: The exception.
        stack: ``"text"``, ``"frames"`` or ``"both"``.
    """
    frames = stack != "text"
    text = f'{{"type":{quote(error.type)},"message":{quote(error.message)}'
    if error.notes:
        text += f',"notes":{dumps(error.notes)}'
    if stack != "frames":
        text += f',"stack":{quote(stack_text(error))}'
    for key, value in _rest(error, frames).items():
        text += f',"{key}":{dumps(value)}'
    return text + "}"


def _rest(error: ErrorInfo, frames: bool) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if frames and error.frames:
        stack = error.stack()
        told["frames"] = [
            {"path": path, "line": line, "function": function} for path, line, function in stack[-MAX_FRAMES:]
        ]
        left_out = error.skipped + max(0, len(stack) - MAX_FRAMES)
        if left_out:
            told["frames_left_out"] = left_out
    if error.cause is not None:
        told["cause" if error.explicit else "context"] = _tree(error.cause, frames)
    if error.members:
        told["exceptions"] = [_tree(member, frames) for member in error.members]
    return told


def _tree(error: ErrorInfo, frames: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"type": error.type, "message": error.message}
    if error.notes:
        told["notes"] = list(error.notes)
    told.update(_rest(error, frames))
    return told
