"""Keys of this thread or task only, in the lines of every logger (``thread_safe_append_keys``)."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NONE: dict[str, Any] = {}
_keys: ContextVar[dict[str, Any]] = ContextVar("powertools_keys", default=_NONE)


def here() -> Mapping[str, Any]:
    """Return them; not to be changed."""
    return _keys.get()


def append(keys: Mapping[str, Any]) -> None:
    """Add keys."""
    _keys.set({**_keys.get(), **keys})


def remove(keys: Iterable[str]) -> None:
    """Take keys away, here and nowhere else: a task's removal does not reach the one that started it."""
    gone = frozenset(keys)
    _keys.set({key: value for key, value in _keys.get().items() if key not in gone})


def clear() -> None:
    """Take all away."""
    _keys.set({})
