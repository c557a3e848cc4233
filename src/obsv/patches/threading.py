"""threading: a thread sees the span that was current where it was started.

``start()`` notes the state on the thread, and the thread takes it up in ``_bootstrap_inner``, the step below
``run()``. There, it reaches subclasses that have a ``run()`` of their own, and ``threading.excepthook``; and ``run``
need not be replaced on the instance, which would make a reference cycle. The private name has been there since Python
2.6.

Threads that serve whoever comes next, and whose first starter is an accident, start with nothing: those of thread
pools and queues of the standard library, Sentry's, and our own. A daemon thread that a request happens to start is
under that request's span for good: begin its work with a span of its own trace where that is not meant.
"""

from __future__ import annotations

from ._api import Patch, attach, current, guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

patch = Patch("threading")

_STATE = "_obsv_state"

_SERVANTS = frozenset(
    ("concurrent.futures.thread", "logging.handlers", "multiprocessing.pool", "multiprocessing.queues")
)
"""Modules whose threads outlive the work that happened to start them."""


@patch.wrap("threading:Thread.start")
def start(wrapped: Callable[..., Any], thread: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Note the current state on the thread. A wrapper, because there is nothing to time."""
    noted = _note(thread)
    try:
        return wrapped(*args, **kwargs)
    except BaseException:
        if noted:
            vars(thread).pop(_STATE, None)  # started before, or no thread to be had
        raise


@guard("patch threading")
def _note(thread: Any) -> bool:
    """Note the current state on a thread that is to begin with it."""
    state = current()
    if state is None or _serves(thread):
        return False
    vars(thread)[_STATE] = state
    return True


@patch.wrap("threading:Thread._bootstrap_inner")
def bootstrap(wrapped: Callable[..., Any], thread: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Make the noted state current. The thread's context ends with it, so there is nothing to restore."""
    _take_up(thread)
    return wrapped(*args, **kwargs)


@guard("patch threading")
def _take_up(thread: Any) -> None:
    members = vars(thread)
    if _STATE in members:
        attach(members.pop(_STATE))


def _serves(thread: Any) -> bool:
    module = getattr(getattr(thread, "_target", None), "__module__", None) or type(thread).__module__
    return isinstance(module, str) and (module in _SERVANTS or module.startswith(("obsv.", "sentry_sdk.")))
