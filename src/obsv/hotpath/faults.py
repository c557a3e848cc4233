"""How an error of ours is told: counted, one calm line a minute a place on stderr, and never raised into user code.

The one exception is ``OBSV_RAISE=1``, which our own tests set: there, hiding an error would hide a bug.
"""

from __future__ import annotations

import os
import sys
from time import monotonic

_INTERVAL = 60.0  # seconds between two lines about the same place
_MAX_PLACES = 1000  # places and lines remembered; beyond that only counted

counts: dict[str, int] = {}
"""How often each place failed, since the process started."""

_told_at: dict[str, float] = {}
_lines: set[str] = set()


_raise = False


def raise_errors(switch: bool) -> None:
    """Raise errors of ours instead of swallowing them (the setting ``raise_errors``)."""
    global _raise
    _raise = switch


def raising() -> bool:
    """Tell whether errors of ours are raised (``OBSV_RAISE=1`` or the setting) instead of swallowed."""
    return _raise or os.environ.get("OBSV_RAISE", "").strip().lower() in ("1", "true", "yes", "on")


def report(where: str, error: BaseException | None = None) -> None:
    """Count an error of ours and say so, at most once a minute for each ``where``.

    Args:
        where: The place in the user's words, for instance ``"patch redis"``.
        error: What was raised, if anything.

    Raises:
        BaseException: ``error`` itself, under ``OBSV_RAISE=1`` only.
    """
    if where in counts or len(counts) < _MAX_PLACES:
        counts[where] = counts.get(where, 0) + 1
    else:
        counts["other"] = counts.get("other", 0) + 1
    if error is not None and raising():
        raise error
    now = monotonic()
    if now - _told_at.get(where, -_INTERVAL) >= _INTERVAL and len(_told_at) < _MAX_PLACES:
        _told_at[where] = now
        _write(f"obsv: {where} failed{_describe(error)} (your code is fine; you have less telemetry)")


def tell(line: str, key: str | None = None) -> None:
    """Print ``obsv: line`` on stderr, the first time in this process that this line (or its ``key``) is told."""
    key = key or line
    if key not in _lines and len(_lines) < _MAX_PLACES:
        _lines.add(key)
        _write(f"obsv: {line}")


def _describe(error: BaseException | None) -> str:
    if error is None:
        return ""
    try:
        text = " ".join(str(error).split())[:200]
    except Exception:  # noqa: BLE001 - a broken __str__ must not break the report about it
        text = "(its text cannot be read)"
    return f": {type(error).__name__}: {text}" if text else f": {type(error).__name__}"


def _write(line: str) -> None:
    try:
        sys.stderr.write(line + "\n")
    except Exception:  # noqa: BLE001 - stderr may be closed, full or None; there is nobody left to tell
        pass


def reset() -> None:
    """Forget what was counted and told. For tests."""
    counts.clear()
    _told_at.clear()
    _lines.clear()
