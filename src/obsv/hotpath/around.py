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
    from cython.cimports.obsv.hotpath.passing import (
        call_with,
        keywords,
        pass_named,
        pass_on,
        placed,
        positional,
        replacement,
    )
    from cython.cimports.obsv.hotpath.span import new_span
else:
    from .passing_plain import keywords, pass_named, pass_on, placed, positional, replacement
    from .span import new_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Hook = Callable[..., Any]
    Unless = Callable[[Any, tuple[Any, ...], dict[str, Any]], bool]
    Quiet = Callable[[Any], bool]
    Failed = Callable[[Span, Exception], None]
    Answer = Callable[[Span, Any, Any], None]

_MOST_WANTED = 8


class Switch:
    """Says to what stands in a function's place whether its patch is still in force.

    Attributes:
        scope: The patch's instrumentation scope.
        active: False when the patch was taken back but this could not be (somebody wrapped it again).
    """

    __slots__ = ("active", "scope")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.active = True


class Call(Switch):
    """How calls of one function are seen; ``scope`` is that of the spans.

    Attributes:
        name: The span's name until the hook knows a better one.
        kind: The span's kind.
        hook: Called as ``hook(span, instance, args, kwargs)`` when the span has begun and is current. It may change
            ``kwargs``, and may return a function that is called with the result, or what ``answer`` is to know.
        wanted: Names of the function's first parameters, without the instance, at most eight, which no call does
            without: the hook is called as ``hook(span, instance, *values)`` then, and can change nothing. It costs
            less. A call that lacks one has no description; the function will complain.
        unless: Called as ``unless(instance, args, kwargs)`` before the span is made; when true, the call goes through
            untouched.
        where: The place named when the hook fails.
        failed: Called as ``failed(span, error)`` with an ``Exception`` that a plain function raises, before the span
            notes it and ends.
        quiet: Called as ``quiet(instance)`` before ``unless``, which it is like: for it, no arguments are put together.
        answer: Called as ``answer(span, result, told)`` with the result and with what the hook returned, None where
            it was not called or failed. An async generator has no result, and no answer. Without ``answer`` the hook
            returns a function that is called with the result: a new one for each call, which costs more.
    """

    __slots__ = ("answer", "failed", "hook", "kind", "name", "quiet", "unless", "wanted", "where")

    def __init__(
        self,
        scope: Scope,
        name: str,
        kind: int,
        hook: Hook | None = None,
        unless: Unless | None = None,
        where: str = "",
        failed: Failed | None = None,
        quiet: Quiet | None = None,
        wanted: tuple[str, ...] | None = None,
        answer: Answer | None = None,
    ) -> None:
        if wanted is not None and (len(wanted) > _MOST_WANTED or not all([type(name) is str for name in wanted])):
            raise ValueError(wanted)
        Switch.__init__(self, scope)
        self.name = name
        self.kind = kind
        self.hook = hook
        self.unless = unless
        self.where = where or name
        self.failed = failed
        self.quiet = quiet
        self.wanted = wanted
        self.answer = answer

    def copy(self) -> Call:
        """Return another one for the same."""
        return Call(
            self.scope,
            self.name,
            self.kind,
            self.hook,
            self.unless,
            self.where,
            self.failed,
            self.quiet,
            self.wanted,
            self.answer,
        )

    def span(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Span | None:
        """Make the span of one call, not begun; None when the call is not to be seen."""
        if not self.active or not self.scope.outlet.enabled or self.left_out(instance, args, kwargs):
            return None
        return self.make()

    def make(self) -> Span:
        """Make a span, not begun. A subclass may return any context manager that gives one."""
        made: Span = new_span(self.scope, self.name, self.kind)
        return made

    def hushed(self, instance: Any) -> bool:
        """Ask ``quiet``, guarded; a call that it fails on goes through untouched."""
        try:
            return bool(self.quiet is not None and self.quiet(instance))
        except Exception as error:  # noqa: BLE001 - a patch of ours
            faults.report(self.where, error)
            return True

    def refused(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Ask ``unless``, guarded likewise."""
        try:
            return bool(self.unless is not None and self.unless(instance, args, kwargs))
        except Exception as error:  # noqa: BLE001 - a patch of ours
            faults.report(self.where, error)
            return True

    def left_out(self, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Ask both."""
        return self.hushed(instance) or self.refused(instance, args, kwargs)

    def before(self, span: Span, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the hook, guarded, and return what it does."""
        if self.hook is None:
            return None
        try:
            if self.wanted is not None:
                values = list(args[: len(self.wanted)])
                for name in self.wanted[len(values) :]:
                    if name not in kwargs:
                        return None
                    values.append(kwargs[name])
                return self.hook(span, instance, *values)
            return self.hook(span, instance, args, kwargs)
        except Exception as error:  # noqa: BLE001 - a patch of ours
            faults.report(self.where, error)
            return None

    def after(self, span: Span, result: Any, told: Any) -> None:
        """Run ``answer``, or what the hook has ``told`` to run, guarded."""
        try:
            if self.answer is not None:
                self.answer(span, result, told)
            else:
                told(result)
        except Exception as error:  # noqa: BLE001 - a patch of ours
            faults.report(self.where, error)

    def note(self, span: Span, error: Exception) -> None:
        """Run ``failed``, guarded."""
        try:
            if self.failed is not None:
                self.failed(span, error)
        except Exception as fault:  # noqa: BLE001 - a patch of ours
            faults.report(self.where, fault)


def around(function: Callable[..., Any], call: Call, method: bool) -> Callable[..., Any]:
    """Return a function that calls ``function`` inside a span.

    Args:
        function: A plain function.
        call: What its span is like.
        method: True when the first positional argument is the instance that the hooks are given.
    """
    return replacement(call_in_span, function, (call, method))  # type: ignore[no-any-return]


def call_in_span(made: Any, args: Any, count: Any, names: Any) -> Any:
    """Do what a function that ``around`` made does."""
    function = made.function
    call: Call = made.told[0]
    method: bool = made.told[1]
    instance = placed(args, count, 0) if method else None
    if not call.active or not call.scope.outlet.enabled:
        return pass_on(function, args, count, names)
    if call.quiet is not None and call.hushed(instance):
        return pass_on(function, args, count, names)
    if call.unless is not None and call.refused(
        instance, positional(args, count, method), keywords(args, count, names)
    ):
        return pass_on(function, args, count, names)
    kwargs = told = None
    span: Span = new_span(call.scope, call.name, call.kind)
    try:
        span.enter()
        if call.hook is None or (method and instance is None):  # without an instance: the function's own TypeError
            pass
        elif cython.compiled and call.wanted is not None:
            try:
                told = call_with(call.hook, span, instance, call.wanted, method, args, count, names)
            except Exception as error:  # noqa: BLE001 - a patch of ours
                faults.report(call.where, error)
        else:
            kwargs = keywords(args, count, names)
            told = call.before(span, instance, positional(args, count, method), kwargs)
        try:
            if not cython.compiled:  # a frame less
                result = function(*args, **(names if kwargs is None else kwargs))
            elif kwargs is None:
                result = pass_on(function, args, count, names)
            else:
                result = pass_named(function, args, count, kwargs)
        except Exception as error:
            call.note(span, error)
            raise
        if told is not None or call.answer is not None:
            call.after(span, result, told)
    except BaseException as error:
        span.leave(error)
        raise
    span.leave(None)
    return result
