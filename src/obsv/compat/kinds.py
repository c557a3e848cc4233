"""What kind of function a decorator was given, told without ``inspect``."""

from __future__ import annotations

from typing import Any

from obsv.hotpath.wrap import _flags

_GENERATOR, _COROUTINE, _ITERABLE_COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200


def is_coroutine(function: Any) -> bool:
    """Tell whether calling it makes a coroutine."""
    return bool(_flags(function) & (_COROUTINE | _ITERABLE_COROUTINE))


def is_generator(function: Any) -> bool:
    """Tell whether calling it makes a generator."""
    return bool(_flags(function) & _GENERATOR)


def is_async_generator(function: Any) -> bool:
    """Tell whether calling it makes an async generator."""
    return bool(_flags(function) & _ASYNC_GENERATOR)
