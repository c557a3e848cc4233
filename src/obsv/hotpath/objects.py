"""What an object that JSON does not know has to say: its fields, its moment, or nothing but its text.

Loaded when the first such object is written. No library is: what is a data class, an attrs class, a pydantic model or a
namedtuple shows by the attributes that these libraries give their classes.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def simpler(value: Any) -> Any:
    """Return something simpler that stands for ``value``, or ``value`` itself where its text is all there is.

    - Data classes, attrs classes, pydantic models and msgspec structs: a dict of their fields, one level deep. Those of
      a data class or attrs class that its ``repr`` leaves out (``field(repr=False)``) are left out here too.
    - ``datetime``, ``date``, ``time``: ISO 8601 text. Exceptions: ``Type: text``. Numbers of numpy: numbers.

    Raises:
        Exception: What the object's own attributes raise; the caller guards.

    Example:
        >>> simpler(datetime(2026, 1, 2, tzinfo=UTC))
        '2026-01-02T00:00:00+00:00'
    """
    if isinstance(value, type):
        return value
    if isinstance(value, BaseException):
        text = str(value)
        return f"{type(value).__name__}: {text}" if text else type(value).__name__
    kind: Any = type(value)
    fields = getattr(kind, "__dataclass_fields__", None)
    if isinstance(fields, dict):
        return _told(value, [name for name, field in fields.items() if field.repr and _is_field(field)])
    attributes = getattr(kind, "__attrs_attrs__", None)
    if isinstance(attributes, tuple):
        return _told(value, [each.name for each in attributes if each.repr])
    names = getattr(kind, "__struct_fields__", None)  # msgspec
    if isinstance(names, tuple):
        return _told(value, names)
    names = getattr(kind, "model_fields", None) or getattr(kind, "__fields__", None)  # pydantic 2 and 1
    if isinstance(names, dict):
        return _told(value, [name for name, field in names.items() if getattr(field, "repr", True) is not False])
    moments = sys.modules.get("datetime")
    if moments is not None and isinstance(value, (moments.date, moments.time)):
        return value.isoformat()
    if kind.__module__ == "numpy" and getattr(value, "ndim", 1) == 0 and value.dtype.kind in "biuf":
        number = value.item()
        return value if type(number) is kind else number  # a long double is one that Python has not
    return value


def _is_field(field: Any) -> bool:
    """Tell a data class's fields from its class variables and constructor's arguments, as ``dataclasses.fields``."""
    return getattr(getattr(field, "_field_type", None), "name", None) == "_FIELD"


def _told(value: Any, names: Any) -> dict[str, Any]:
    """Return the fields that are there: one whose own code raises says so, and loses nothing else."""
    told: dict[str, Any] = {}
    for name in names:
        try:
            told[name] = getattr(value, name)
        except AttributeError:  # a slot that was never filled
            continue
        except Exception as error:  # noqa: BLE001 - a property of the user's
            told[name] = f"<{type(error).__name__}: its value cannot be read>"
    return told
