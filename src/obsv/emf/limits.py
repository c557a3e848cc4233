"""What CloudWatch accepts, and how names and values are brought within it.

Sources: EMF specification ("Embedded metric format specification", CloudWatch user guide) and the CloudWatch API
reference ("MetricDatum", "Dimension"). Where the two differ the smaller number counts.
"""

from __future__ import annotations

MAX_METRICS = 100
"""Metric definitions in a directive."""

MAX_DIMENSIONS = 30
"""Keys in a dimension set."""

MAX_VALUES = 100
"""Members of a metric's array of values."""

MAX_EVENT_BYTES = 1_048_576 - 26
"""A log event: what PutLogEvents takes in one call, less the 26 bytes that it adds to each event."""

MAX_DIMENSION_NAME = 250  # EMF schema; the API says 255
MAX_DIMENSION_VALUE = 1024
MAX_METRIC_NAME = 255  # the API; the EMF schema says 1024
MAX_NAMESPACE = 255  # the API; the EMF schema says 1024

MAX_VALUE = 2.0**360
"""Largest magnitude of a value (CloudWatch API reference, "MetricDatum")."""

EMPTY = "(empty)"
"""Stands for a dimension value without a visible character, which CloudWatch refuses: leaving the dimension out would
move the point to another set of dimensions, where nobody looks for it."""

_PRINTABLE = frozenset(map(chr, range(0x20, 0x7F)))
_NAMESPACE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._#:/- ")


def dimension_name(text: str) -> str:
    """Return an allowed name: 1 to 250 printable ASCII characters, not blank, no ``:`` first. Empty: none is left."""
    clean = _ascii(text)[:MAX_DIMENSION_NAME]
    if clean.startswith(":"):
        clean = "_" + clean[1:]
    return clean if clean.strip() else ""


def dimension_value(text: str) -> str:
    """Return an allowed value: printable ASCII, 1 to 1024 characters, not blank."""
    clean = _ascii(text)[:MAX_DIMENSION_VALUE]
    return clean if clean.strip() else EMPTY


def metric_name(text: str) -> str:
    """Return an allowed name: printable ASCII, 1 to 255 characters. Empty when nothing visible is left."""
    clean = _ascii(text)[:MAX_METRIC_NAME]
    return clean if clean.strip() else ""


def namespace(text: str) -> str:
    """Return an allowed namespace: 1 to 255 letters, digits, blanks and ``._#:/-``, no ``:`` first."""
    clean = text.strip() if text.isascii() else _ascii(text).strip()
    if not _NAMESPACE.issuperset(clean):
        clean = "".join([character if character in _NAMESPACE else "_" for character in clean])
    return clean.lstrip(": ")[:MAX_NAMESPACE].rstrip() or "obsv"


def number(value: object) -> float | int | None:
    """Return a finite number within CloudWatch's range, or None."""
    if type(value) is not float and type(value) is not int:
        if value is None or isinstance(value, (str, bytes)):
            return None
        try:
            value = float(value)  # type: ignore[arg-type]  # bool, Decimal, numpy's: whatever is a number
        except Exception:  # noqa: BLE001 - the value's own __float__
            return None
    return value if -MAX_VALUE <= value <= MAX_VALUE else None  # false for NaN too


def _ascii(text: str) -> str:
    """Escape what is not printable ASCII as Python would (``\\xe9``), so that different names stay different."""
    if text.isascii() and text.isprintable():
        return text
    text = text.encode("ascii", "backslashreplace").decode("ascii")
    if text.isprintable():
        return text
    return "".join([character if character in _PRINTABLE else f"\\x{ord(character):02x}" for character in text])


MAX_AGE_MS = 14 * 86_400_000
"""How old a data point may be (CloudWatch API reference, "MetricDatum": two weeks), in milliseconds."""

MAX_AHEAD_MS = 2 * 3_600_000
"""How far ahead of now it may be (the same: two hours), in milliseconds."""


def milliseconds(time: object) -> int | None:
    """Return a time as EMF has it, milliseconds since the Unix epoch; None where it is none.

    Args:
        time: A ``datetime`` (without a zone it is local time, as everywhere in Python), or milliseconds.
    """
    if isinstance(time, bool):
        return None
    try:
        seconds = getattr(time, "timestamp", None)
        value = seconds() * 1000.0 if seconds is not None else time
        found = round(value)  # type: ignore[arg-type]
        return found if type(found) is int else None
    except Exception:  # noqa: BLE001 - whatever was given
        return None


def timely(time_ms: int, now_ms: int) -> bool:
    """Tell whether CloudWatch takes a data point of this time now."""
    return now_ms - MAX_AGE_MS <= time_ms <= now_ms + MAX_AHEAD_MS


def resolution(seconds: object) -> int | None:
    """Return a storage resolution as EMF has it, 1 or 60; None where it is no number of seconds from 1 on.

    What is finer than a minute needs 1 (EMF specification, "StorageResolution").
    """
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return None
    exact = number(seconds)
    return None if exact is None or exact < 1 else 1 if exact < 60 else 60
