"""Celery's worker processes (billiard) leave by ``os._exit``, past ``atexit`` and multiprocessing's finalizers."""

from __future__ import annotations

from functools import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any


def hook(module: ModuleType, leave: Callable[[], None]) -> None:
    """Let a worker call ``leave`` before it goes: when it has done its share of tasks, or is told to end.

    Args:
        module: ``billiard.pool``.
        leave: Sends what is queued; it never raises and takes a limited time.
    """
    original = getattr(getattr(module, "Worker", None), "_do_exit", None)
    if original is None:
        return  # a version that is built differently

    @wraps(original)
    def _do_exit(self: Any, *args: Any, **kwargs: Any) -> Any:
        leave()
        return original(self, *args, **kwargs)

    module.Worker._do_exit = _do_exit
