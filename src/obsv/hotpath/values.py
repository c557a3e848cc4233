"""Attribute values by OpenTelemetry's rules, for all that is not an exact ``str``, ``bool``, ``int`` or ``float``.

Rule: OpenTelemetry specification, "Attribute" and ``opentelemetry.attributes`` of the API package: ``None``, ``bool``,
``int``, ``float``, ``bytes`` and ``str`` stay, sequences become tuples, mappings become dicts, and anything else
becomes its text.
"""

from __future__ import annotations

from _collections_abc import Mapping, Sequence  # as in `collections.abc`, whose package takes half of our start-up

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DEPTH = 16
"""Deeper nesting than this becomes ``…``."""

MAX_ITEMS = 4096
"""Items kept of one value, all levels together; the rest becomes ``…``."""

_NONE_TYPE = type(None)
_CUT = "…"


def clean(value: Any, length: int = -1) -> Any:
    """Return ``value`` as a telemetry attribute: immutable, or private to us, whatever the caller does with it later.

    Values that hold themselves end in ``…``.

    Args:
        value: Anything.
        length: The longest text that is kept, in characters; negative means unlimited.

    Raises:
        Exception: What the value's own ``__str__``, ``__iter__`` or ``items`` raises; the caller guards.
    """
    kind = type(value)
    if kind is bool or kind is int or kind is float or kind is _NONE_TYPE or kind is bytes:
        return value
    if isinstance(value, str):
        return _cut(value if kind is str else str.__str__(value), length)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, (Sequence, Mapping)):
        return _Walk(length).clean(value)
    return _cut(str(value), length) if has_text(value) else None


def _cut(text: str, length: int) -> str:
    return text if length < 0 or len(text) <= length else text[:length]


class _Walk:
    """One walk through a nested value: how much may still be kept, and which containers it is inside of."""

    __slots__ = ("inside", "left", "length")

    def __init__(self, length: int) -> None:
        self.length = length
        self.left = MAX_ITEMS
        self.inside: list[int] = []

    def clean(self, value: Any) -> Any:
        is_mapping = isinstance(value, Mapping)
        if isinstance(value, (str, bytes)) or not (is_mapping or isinstance(value, Sequence)):
            return clean(value, self.length)
        if id(value) in self.inside or len(self.inside) >= MAX_DEPTH:
            return _CUT
        self.inside.append(id(value))
        try:
            return self._mapping(value) if is_mapping else self._sequence(value)
        finally:
            self.inside.pop()

    def _sequence(self, value: Sequence[Any]) -> tuple[Any, ...]:
        kept: list[Any] = []
        for item in value:
            if self.left <= 0:
                kept.append(_CUT)
                break
            self.left -= 1
            kept.append(self.clean(item))
        return tuple(kept)

    def _mapping(self, value: Mapping[Any, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, item in value.items():
            if not key or not (isinstance(key, str) or has_text(key)):
                continue
            if self.left <= 0:
                kept[_CUT] = _CUT
                break
            self.left -= 1
            kept[str(key)] = self.clean(item)
        return kept


def has_text(value: Any) -> bool:
    """Tell whether a type says how it reads; ``<object at 0x7f…>`` helps nobody and is not kept."""
    kind: Any = type(value)
    return kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__


def weigh(value: Any) -> int:
    """Estimate the bytes that a cleaned value holds in memory, for the queue's bound."""
    if isinstance(value, (str, bytes)):
        return 64 + len(value)
    if isinstance(value, tuple):
        return 64 + sum([weigh(item) for item in value])
    if isinstance(value, dict):
        return 64 + sum([len(key) + weigh(item) for key, item in value.items()])
    return 32
