"""gunicorn's workers: uvicorn's kind ends by the very signal that it was sent, past ``atexit``."""

from __future__ import annotations

from functools import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any


def hook(module: ModuleType, signals: Callable[[], None]) -> None:
    """Let a worker call ``signals`` when it has set its signals and loaded the program.

    ``uvicorn.workers.UvicornWorker`` gives all signals back to the system, which ``fork`` had copied from the master;
    uvicorn catches one, ends its work, and sends it to itself again.

    Args:
        module: ``gunicorn.workers.base``.
        signals: Takes the signals that are left to the system; it never raises.
    """
    original = getattr(getattr(module, "Worker", None), "load_wsgi", None)
    if original is None:
        return  # a version that is built differently

    @wraps(original)
    def load_wsgi(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        signals()
        return result

    module.Worker.load_wsgi = load_wsgi
