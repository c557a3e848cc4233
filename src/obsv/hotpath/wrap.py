"""Runs a function inside a span: starting, calling, recording, ending and restoring context, once for everybody.

A patch is only a description (a :class:`Call`): which span, and what is known before and after. This module and
``around``, which has the wrapper of plain functions, run the user's function, so they are the only places where a patch
could break its host. This one is not compiled on purpose: a coroutine made by compiled code is not what
``inspect.iscoroutine`` expects, and nobody must notice that a function is wrapped.
"""

from __future__ import annotations

from _functools import partial  # type: ignore[import-not-found]  # `functools` itself loads ten modules

from . import faults
from .around import Call, around
from .errors import safe_text
from .span import Scope, Span, attach, current, detach, new_span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Made = TypeVar("Made", bound=Callable[..., Any])

# inspect's flags, written out: importing inspect costs more than the rest of obsv.
_GENERATOR, _COROUTINE, _ITERABLE_COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200


def wrap(function: Callable[..., Any], call: Call, method: bool) -> Callable[..., Any]:
    """Return a function that does what ``function`` does, inside a span.

    Args:
        function: A plain function, coroutine function, generator or async generator function.
        call: What its span is like.
        method: True when the first positional argument is the instance that the hook is given.
    """
    flags = _flags(function)
    if flags & (_COROUTINE | _ITERABLE_COROUTINE):
        return _coroutine(function, call, method)
    if flags & _ASYNC_GENERATOR:
        return _async_generator(function, call, method)
    if flags & _GENERATOR:
        return _generator(function, call, method)
    if type(call).make is not Call.make:
        return wraps(function)(_in_context(function, call))
    made: Callable[..., Any] = around(function, call, method)
    return wraps(function)(made)


def wraps(function: Callable[..., Any]) -> Callable[[Made], Made]:
    """Do what ``functools.wraps`` does, without what its import loads."""

    def dress(made: Made) -> Made:
        vars(made).update(getattr(function, "__dict__", {}), __wrapped__=function)
        for name in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__type_params__"):
            try:
                setattr(made, name, getattr(function, name))
            except AttributeError:
                continue
        return made

    return dress


def _flags(function: Any) -> int:
    """Return the code flags of what is called in the end: behind a partial, or an object's ``__call__``."""
    while isinstance(function, partial):
        function = function.func
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    flags: int = getattr(code, "co_flags", 0)
    return flags


def _maker(call: Call) -> Callable[[Scope, str, int], Span]:
    """Return what makes the spans of a call: without a detour, unless a subclass makes them itself."""
    if type(call).make is Call.make:
        return new_span
    return lambda scope, name, kind: call.make()


def _in_context(function: Callable[..., Any], call: Call) -> Callable[..., Any]:
    """Wrap a plain function whose spans a subclass of :class:`Call` makes; it has no hooks."""

    def call_in_context(*args: Any, **kwargs: Any) -> Any:
        if not call.active or not call.scope.outlet.enabled:
            return function(*args, **kwargs)
        with call.make():
            return function(*args, **kwargs)

    return call_in_context


def _coroutine(function: Callable[..., Any], call: Call, method: bool) -> Callable[..., Any]:
    scope, name, kind, hook = call.scope, call.name, call.kind, call.hook
    make = _maker(call)

    @wraps(function)
    async def await_in_span(*args: Any, **kwargs: Any) -> Any:
        if not call.active or not scope.outlet.enabled:
            return await function(*args, **kwargs)
        instance, rest = (args[0], args[1:]) if method and args else (None, args)
        if call.left_out(instance, rest, kwargs):
            return await function(*args, **kwargs)
        with make(scope, name, kind) as span:
            told = None
            if hook is not None:
                told = call.before(span, instance, rest, kwargs)
            result = await function(*args, **kwargs)
            if told is not None or call.answer is not None:
                call.after(span, result, told)
            return result

    return await_in_span


def _generator(function: Callable[..., Any], call: Call, method: bool) -> Callable[..., Any]:
    @wraps(function)
    def iterate_in_span(*args: Any, **kwargs: Any) -> Any:
        instance, rest = (args[0], args[1:]) if method and args else (None, args)
        span = call.span(instance, rest, kwargs)
        if span is None:
            return (yield from function(*args, **kwargs))
        stretch = _Stretch(span)
        try:
            with stretch:
                told = call.before(span, instance, rest, kwargs)
                generator = function(*args, **kwargs)
            result = yield from _Stepwise(generator, stretch)
            if told is not None or call.answer is not None:
                with stretch:
                    call.after(span, result, told)
        except BaseException as error:
            stretch.end(error)
            raise
        stretch.end(None)
        return result

    return iterate_in_span


def _async_generator(function: Callable[..., Any], call: Call, method: bool) -> Callable[..., Any]:
    @wraps(function)
    async def iterate_in_span(*args: Any, **kwargs: Any) -> Any:
        instance, rest = (args[0], args[1:]) if method and args else (None, args)
        span = call.span(instance, rest, kwargs)
        stretch = _Stretch(span)
        try:
            with stretch:
                if span is not None:
                    call.before(span, instance, rest, kwargs)
                generator = function(*args, **kwargs)
            sent: Any = None
            thrown: BaseException | None = None
            try:
                # There is no `yield from` for these: what is sent and thrown in is handed on by hand.
                while True:
                    with stretch:
                        if thrown is None:
                            item = await generator.asend(sent)
                        else:
                            error, thrown = thrown, None
                            item = await generator.athrow(error)
                    sent = None
                    try:
                        sent = yield item
                    except GeneratorExit:
                        raise
                    except BaseException as raised:  # noqa: BLE001 - the caller's athrow() goes to the wrapped generator
                        thrown = raised
            except StopAsyncIteration:
                pass
            finally:
                with stretch:
                    await generator.aclose()
        except BaseException as error:
            stretch.end(error)
            raise
        stretch.end(None)

    return iterate_in_span


class _Stretch:
    """A span over several stretches of code: as a context manager it is one stretch, and only there the span is
    current.

    Between two stretches, where a generator waits, the caller's context is its own. What the generator's code had made
    current itself (``with span("inner"): yield``) is current again in its next stretch.
    """

    __slots__ = ("inside", "span", "token")

    def __init__(self, span: Span | None) -> None:
        self.span = span
        self.inside: Any = span
        self.token: Any = None
        if span is not None and not span.started:
            span.begin(current())

    def __enter__(self) -> None:
        if self.span is not None and self.span.id64:
            self.token = attach(self.inside)

    def __exit__(self, *_: object) -> None:
        token, self.token = self.token, None
        if token is not None:
            self.inside = current()
            detach(token)

    def end(self, error: BaseException | None) -> None:
        """End the span, after the last stretch."""
        if self.span is not None:
            if error is not None:
                self.span.fail(error)
            self.span.end()


class _Stepwise:
    """Iterates a generator, each step a stretch of its span; ``yield from`` forwards send, throw and close to it."""

    __slots__ = ("generator", "stretch")

    def __init__(self, generator: Any, stretch: _Stretch) -> None:
        self.generator = generator
        self.stretch = stretch

    def __iter__(self) -> _Stepwise:
        return self

    def __next__(self) -> Any:
        with self.stretch:
            return next(self.generator)

    def send(self, value: Any) -> Any:
        with self.stretch:
            return self.generator.send(value)

    def throw(self, error: Any, *rest: Any) -> Any:
        with self.stretch:
            return self.generator.throw(error, *rest)

    def close(self) -> None:
        with self.stretch:
            self.generator.close()


_CLASS_METHODS = ("__init_subclass__", "__class_getitem__")
"""What Python makes class methods of, when they are functions to the letter."""


def decorate(
    function: Callable[..., Any],
    scope: Scope,
    name: str,
    kind: int,
    attributes: dict[str, Any],
    arguments: tuple[str, ...] = (),
) -> Callable[..., Any]:
    """Wrap a user's function for ``@obsv.span(...)`` and ``@obsv.traced``.

    Args:
        attributes: Set on the span of each call.
        arguments: Names of the function's parameters whose values become attributes.
    """
    if isinstance(function, type) or not (callable(function) or isinstance(function, classmethod)):
        faults.tell(
            f"@traced or @span on {safe_text(function)[:80]} does nothing: functions and methods are traced, "
            "not classes or other values"
        )
        return function
    positions = _parameters(function, arguments) if arguments else {}

    def hook(span: Span, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        for key, value in attributes.items():
            span.set_attribute(key, value)
        for key, position in positions.items():
            if key in kwargs:
                span.set_attribute(key, kwargs[key])
            elif 0 <= position < len(args):
                span.set_attribute(key, args[position])

    name = safe_text(name)
    call = Call(scope, name, kind, hook if attributes or positions else None, None, f"@traced {name}")
    if isinstance(function, (staticmethod, classmethod)):
        return type(function)(wrap(function.__func__, call, False))
    if getattr(function, "__name__", "") in _CLASS_METHODS:
        made: Any = classmethod(wrap(function, call, False))
        return made  # type: ignore[no-any-return]
    return wrap(function, call, False)


def _parameters(function: Any, wanted: tuple[str, ...]) -> dict[str, int]:
    """Return where the wanted parameters stand among the positional arguments; -1 for those given by keyword only."""
    code = getattr(_behind(getattr(function, "__func__", function)), "__code__", None)
    names: tuple[str, ...] = ()
    positional = 0
    if code is not None:
        positional = code.co_argcount
        names = code.co_varnames[: positional + code.co_kwonlyargcount]
    missing = [name for name in wanted if name not in names]
    if missing:
        faults.tell(
            f"@traced(args={wanted!r}) on {getattr(function, '__qualname__', function)}: it has no parameter "
            f"{', '.join(map(repr, missing))}; allowed are {', '.join(names) or 'none'}; ignored"
        )
    places = {name: names.index(name) for name in wanted if name in names}
    return {name: place if place < positional else -1 for name, place in places.items()}


def _behind(function: Any) -> Any:
    """Return the function that other people's decorators wrapped (``functools.wraps`` leaves ``__wrapped__``)."""
    for _ in range(32):  # a chain that bites its tail ends here
        inner = getattr(function, "__wrapped__", None)
        if inner is None:
            break
        function = inner
    return function
