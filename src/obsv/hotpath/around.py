"""A plain function inside a span: the wrapper that runs for each call of a patched client, compiled.

What it does is told in ``wrap``, which has those of coroutines and generators too.
"""

from __future__ import annotations

from . import faults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .wrap import Call


def around(function: Callable[..., Any], call: Call, make: Callable[..., Any], method: bool) -> Callable[..., Any]:
    """Return a function that calls ``function`` inside a span.

    Args:
        function: A plain function.
        call: What its span is like.
        make: Makes the span, called with the call's scope, name and kind.
        method: True when the first positional argument is the instance that the hooks are given.
    """
    scope, name, kind, hook, unless, failed = call.scope, call.name, call.kind, call.hook, call.unless, call.failed

    def call_in_span(*args: Any, **kwargs: Any) -> Any:
        if not call.active or not scope.outlet.enabled:
            return function(*args, **kwargs)
        instance, rest = (args[0], args[1:]) if method and args else (None, args)
        if unless is not None and call.left_out(instance, rest, kwargs):
            return function(*args, **kwargs)
        with make(scope, name, kind) as span:
            finish = None
            if hook is not None:
                try:
                    finish = hook(span, instance, rest, kwargs)
                except Exception as error:  # noqa: BLE001 - a patch of ours
                    faults.report(call.where, error)
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                if failed is not None:
                    call.after(failed, span, error)
                raise
            if finish is not None:
                try:
                    finish(result)
                except Exception as error:  # noqa: BLE001 - a patch of ours
                    faults.report(call.where, error)
            return result

    return call_in_span
