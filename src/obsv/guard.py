"""Never raise into user code: one guard, as context manager and as decorator.

Every wrapper body, callback and background loop of obsv runs inside it. An error of ours is counted, told once a minute
a place and swallowed; under ``OBSV_RAISE=1`` (our tests) it is raised.
"""

from __future__ import annotations

from .hotpath import faults
from .hotpath.wrap import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])


class guard:  # noqa: N801 - reads as a word at the places where it is used
    """Swallow and report what is raised inside.

    Args:
        where: The place, in words that help a user: ``"patch redis"``.

    Example:
        >>> with guard("reading the config"):
        ...     risky()
        >>> @guard("callback")
        ... def callback(): ...

    A decorated function returns None where it failed. ``KeyboardInterrupt`` and ``SystemExit`` pass through: they are
    the user's.
    """

    __slots__ = ("where",)

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        faults.report(self.where, error)
        return True

    def __call__(self, function: Function) -> Function:
        where = self.where

        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - this is what a guard is for
                faults.report(where, error)
                return None

        return guarded  # type: ignore[return-value]
