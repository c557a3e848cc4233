"""Exceptions as Powertools writes them: the text that Python prints, the class's name, notes, and the stack as data."""

from __future__ import annotations

from typing import Any

from obsv.hotpath.errors import safe_text


def add(line: dict[str, Any], error: BaseException, structured: bool) -> None:
    """Add ``exception``, ``exception_name``, ``exception_notes`` and ``stack_trace``; what the caller gave stays."""
    line.setdefault("exception", _text(error))
    line.setdefault("exception_name", type(error).__name__)
    notes = getattr(error, "__notes__", None)
    line.setdefault("exception_notes", list(notes) if isinstance(notes, list) else None)
    if structured:
        line["stack_trace"] = {
            "type": type(error).__name__,
            "value": safe_text(error),
            "module": type(error).__module__,
            "frames": _frames(error),
        }


def _text(error: BaseException) -> str:
    from traceback import format_exception

    try:
        return "".join(format_exception(error)).removesuffix("\n")
    except Exception:  # noqa: BLE001 - a loader of somebody's that is asked for source lines
        return f"{type(error).__name__}: {safe_text(error)}"


def _frames(error: BaseException) -> list[dict[str, Any]]:
    from traceback import extract_tb

    try:
        return [
            {"file": frame.filename, "line": frame.lineno, "function": frame.name, "statement": frame.line}
            for frame in extract_tb(error.__traceback__)
        ]
    except Exception:  # noqa: BLE001 - as above
        return []
