"""The interpreted twins of ``passing.pxd``: a call's arguments, looked at and handed on.

``args`` is a tuple, ``count`` its length, ``names`` the dict of those given by name.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Instead = Callable[[Any, Any, Any, Any], Any]


class Made:
    """What stands in a function's place: the function, and what was told beside it."""

    __slots__ = ("function", "told")

    def __init__(self, function: Callable[..., Any], told: Any) -> None:
        self.function = function
        self.told = told


def replacement(instead: Instead, function: Callable[..., Any], told: Any) -> Callable[..., Any]:
    """Return a function that does something in the place of another.

    Args:
        instead: Called as ``instead(made, args, count, names)`` with a :class:`Made` and the arguments, which
            are for the functions below.
        function: The function itself.
        told: Whatever ``instead`` needs.
    """
    made = Made(function, told)

    def call_instead(*args: Any, **kwargs: Any) -> Any:
        return instead(made, args, len(args), kwargs)

    return call_instead


def pass_on(function: Callable[..., Any], args: tuple[Any, ...], count: int, names: dict[str, Any]) -> Any:
    """Call a function with the arguments as they are."""
    return function(*args, **names)


def pass_named(function: Callable[..., Any], args: tuple[Any, ...], count: int, kwargs: dict[str, Any]) -> Any:
    """Call a function with the positional arguments as they are, and these by name."""
    return function(*args, **kwargs)


def pass_with(
    function: Callable[..., Any], args: tuple[Any, ...], count: int, names: dict[str, Any], name: str, value: Any
) -> Any:
    """Call a function with another value for an argument, which was given by name."""
    return function(*args, **{**names, name: value})


def placed(args: tuple[Any, ...], count: int, place: int) -> Any:
    """Return the argument at this place, or None."""
    return args[place] if count > place else None


def named(args: tuple[Any, ...], count: int, names: dict[str, Any], name: str) -> Any:
    """Return the argument of this name, or None."""
    return names.get(name)


def argument(args: tuple[Any, ...], count: int, names: dict[str, Any], place: int, name: str) -> Any:
    """Return the argument at this place or of this name, or None."""
    return args[place] if count > place else names.get(name)


def positional(args: tuple[Any, ...], count: int, first: int) -> tuple[Any, ...]:
    """Return the positional arguments from the first that is wanted."""
    return args[first:]


def keywords(args: tuple[Any, ...], count: int, names: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments given by name, in a dict that may be changed."""
    return dict(names)
