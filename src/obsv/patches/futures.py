"""concurrent.futures: what a thread pool runs sees the span that was current where it was submitted.

Only obsv's own state goes along, not the whole ``contextvars`` context: a task that finds the submitter's other
context variables set would be another program. ``ThreadPoolExecutor.map`` and asyncio's ``run_in_executor`` submit,
and are covered. Process pools are left alone: a span cannot be pickled.
"""

from __future__ import annotations

from ._api import Patch, attach, current, detach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

patch = Patch("futures")


class Carried:
    """A callable that runs with the state that was current when it was made. It is called once, and forgets then."""

    __slots__ = ("function", "state")

    def __init__(self, function: Callable[..., Any], state: Any) -> None:
        self.function = function
        self.state = state

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        token = attach(self.state)
        try:
            return self.function(*args, **kwargs)
        finally:
            detach(token)


@patch.wrap("concurrent.futures.thread:ThreadPoolExecutor.submit")
def submit(wrapped: Callable[..., Any], executor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Let the task carry the current state. A wrapper, because there is nothing to time: the task's own spans tell."""
    state = current()
    if state is None or not args:
        return wrapped(*args, **kwargs)
    return wrapped(Carried(args[0], state), *args[1:], **kwargs)
