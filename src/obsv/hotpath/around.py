# cython: nonecheck=True
"""How calls of a function are seen, and a plain function inside a span: what runs for each call of a patched client.

Compiled. What it does is told in ``wrap``, which has the wrappers of coroutines and generators.
"""

from __future__ import annotations

from . import faults
from .span import Scope, Span

if 0:  # seen by the compiler only
    import cython
else:
    from . import shim as cython

if cython.compiled:
    from cython.cimports.cpython.object import PyObject_Call as apply  # `f(*args, **kwargs)` would copy kwargs again
    from cython.cimports.obsv.hotpath.span import new_span
else:
    from .span import new_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Hook = Callable[[Span, Any, tuple[Any, ...], dict[str, Any]], Callable[[Any], None] | None]
    Unless = Callable[[Any, tuple[Any, ...], dict[str, Any]], bool]
    Failed = Callable[[Span, Exception], None]


class Call:
    """How calls of one function are seen.

    Attributes:
        scope: The instrumentation scope of the spans.
        name: The span's name until the hook knows a better one.
        kind: The span's kind.
        hook: Called as ``hook(span, instance, args, kwargs)`` when the span has begun and is current. It may change
            ``kwargs``, and may return a function that is called with the result.
        unless: Called as ``unless(instance, args, kwargs)`` before anything else; when true, the call goes through
            untouched.
        where: The place named when the hook fails.
        failed: Called as ``failed(span, error)`` with an ``Exception`` that a plain function raises, before the span
            notes it and ends.
        active: False when the patch was taken back but its wrapper could not be (somebody wrapped it again).
    """

    __slots__ = ("active", "failed", "hook", "kind", "name", "scope", "unless", "where")

    def __init__(
        self,
        scope: Scope,
        name: str,
        kind: int,
        hook: Hook | None = None,
        unless: Unless | None = None,
        where: str = "",
        failed: Failed | None = None,
    ) -> None:
        self.scope = scope
        self.name = name
        self.kind = kind
        self.hook = hook
        self.unless = unless
        self.where = where or name
        self.failed = failed
        self.active = True

    def span(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Span | None:
        """Make the span of one call, not begun; None when the call is not to be seen."""
        if not self.active or not self.scope.outlet.enabled:
            return None
        if self.unless is not None and self.left_out(instance, args, kwargs):
            return None
        return self.make()

    def make(self) -> Span:
        """Make a span, not begun. A subclass may return any context manager that gives one."""
        made: Span = new_span(self.scope, self.name, self.kind)
        return made

    def left_out(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Ask ``unless``, guarded; a call that it fails on goes through untouched."""
        try:
            return bool(self.unless is not None and self.unless(instance, args, kwargs))
        except Exception as error:  # noqa: BLE001 - a patch of ours
            faults.report(self.where, error)
            return True

    def before(
        self, span: Span, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Callable[[Any], None] | None:
        """Run the hook, guarded."""
        if self.hook is None:
            return None
        try:
            return self.hook(span, instance, args, kwargs)
        except Exception as error:  # noqa: BLE001 - a patch of ours
            faults.report(self.where, error)
            return None

    def after(self, finish: Callable[..., None], *told: Any) -> None:
        """Run what the hook returned, or ``failed``, guarded."""
        try:
            finish(*told)
        except Exception as error:  # noqa: BLE001 - a patch of ours
            faults.report(self.where, error)


@cython.locals(call=Call, scope=Scope)  # type: ignore[untyped-decorator]
def around(function: Callable[..., Any], call: Call, method: bool) -> Callable[..., Any]:
    """Return a function that calls ``function`` inside a span.

    Args:
        function: A plain function.
        call: What its span is like.
        method: True when the first positional argument is the instance that the hooks are given.
    """
    scope, name, kind, hook, unless, failed = call.scope, call.name, call.kind, call.hook, call.unless, call.failed

    @cython.locals(span=Span)  # type: ignore[untyped-decorator]
    def call_in_span(*args: Any, **kwargs: Any) -> Any:
        if not call.active or not scope.outlet.enabled:
            return apply(function, args, kwargs) if cython.compiled else function(*args, **kwargs)
        instance, rest = (args[0], args[1:]) if method and args else (None, args)
        if unless is not None and call.left_out(instance, rest, kwargs):
            return apply(function, args, kwargs) if cython.compiled else function(*args, **kwargs)
        span: Span = new_span(scope, name, kind)
        try:
            span.enter()
            finish = None
            if hook is not None:
                try:
                    finish = hook(span, instance, rest, kwargs)
                except Exception as error:  # noqa: BLE001 - a patch of ours
                    faults.report(call.where, error)
            try:
                if cython.compiled:
                    result = apply(function, args, kwargs)
                else:
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
        except BaseException as error:
            span.leave(error)
            raise
        span.leave(None)
        return result

    return call_in_span  # type: ignore[no-any-return]
