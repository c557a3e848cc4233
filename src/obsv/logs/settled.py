"""Values that nobody changes any more: what waits for a thread is what the caller gave, whatever he does with it then.

They read as `obsv.hotpath.jsontext` would write the value itself, so a line says the same whether it waits or not.
Loaded with the first value that is no plain one.
"""

from __future__ import annotations

from _collections_abc import Mapping

from ..hotpath.errors import safe_text, unreadable
from ..hotpath.jsontext import ITEM_TEXT, MAX_DEPTH, MAX_ITEMS, is_plain_collection
from ..hotpath.objects import simpler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_SCALARS = frozenset((bool, int, float, type(None)))
_CUT = "…"


def settled(value: Any) -> Any:
    """Return a value as texts, numbers, bytes, tuples and dicts with text as keys. Never raises an `Exception`.

    Example:
        >>> settled([{1, 2}, Decimal("1.5")])
        ((1, 2), '1.5')
    """
    return _Walk().settle(value)


class _Walk:
    """One walk through a nested value: how much may still be kept, and which containers it is inside of."""

    __slots__ = ("inside", "left")

    def __init__(self) -> None:
        self.left = MAX_ITEMS
        self.inside: list[int] = []

    def settle(self, value: Any) -> Any:
        kind = type(value)
        if kind is str:
            self.left -= len(value) // ITEM_TEXT
            return value
        if kind in _SCALARS:
            return value
        if id(value) in self.inside or len(self.inside) >= MAX_DEPTH:
            return _CUT
        self.inside.append(id(value))
        try:
            return self._other(value)
        except Exception:  # noqa: BLE001 - the value's own methods raise: it loses only itself
            return unreadable(value)
        finally:
            self.inside.pop()

    def _other(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.settle(str.__str__(value))
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, Mapping):
            return self._mapping(value)
        if isinstance(value, (bytes, bytearray)):
            self.left -= len(value) // ITEM_TEXT
            return bytes(value)
        if isinstance(value, (list, tuple, set, frozenset)) or is_plain_collection(value):
            return self._items(value)
        simple = simpler(value)
        return self.settle(str(value) if simple is value else simple)

    def _mapping(self, value: Mapping[Any, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, item in value.items():
            if self.left <= 0:
                kept[_CUT] = _CUT
                break
            self.left -= 1
            name = key if type(key) is str else safe_text(key)
            while name in kept:  # two keys that are no texts may have the same
                name += "_"
            self.left -= len(name) // ITEM_TEXT
            kept[name] = self.settle(item)
        return kept

    def _items(self, value: Iterable[Any]) -> tuple[Any, ...]:
        kept: list[Any] = []
        for item in value:
            if self.left <= 0:
                kept.append(_CUT)
                break
            self.left -= 1
            kept.append(self.settle(item))
        return tuple(kept)
