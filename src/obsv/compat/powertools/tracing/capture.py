"""Functions of the user's inside of a subsegment: plain ones, coroutines, generators and context managers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from obsv.guard import guard
from obsv.hotpath.wrap import _Stepwise, _Stretch, wraps

from ...kinds import is_async_generator, is_coroutine, is_generator
from .provider import InSubsegment, Provider, Subsegment

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tracer import Tracer


class Capture:
    """How the calls of one function are seen.

    Args:
        tracer: Whose provider makes the subsegments.
        name: What stands before `` response`` and `` error`` in the metadata.
        response: Whether what is returned becomes metadata.
        error: Whether what is raised becomes metadata.
    """

    __slots__ = ("error", "name", "response", "tracer")

    def __init__(self, tracer: Tracer, name: str, response: bool, error: bool) -> None:
        self.tracer = tracer
        self.name = name
        self.response = response
        self.error = error

    @property
    def off(self) -> bool:
        """Whether the function is called and nothing else."""
        return bool(self.tracer.disabled)

    def block(self) -> Any:
        """Return a block with a subsegment, for ``with``."""
        return self.tracer.provider.in_subsegment(name=f"## {self.name}")

    def async_block(self) -> Any:
        """Return a block with a subsegment, for ``async with``."""
        return self.tracer.provider.in_subsegment_async(name=f"## {self.name}")

    def returned(self, subsegment: Any, value: Any) -> None:
        """Note what was returned."""
        if self.response and value is not None:
            self._note(subsegment, "response", value)

    def raised(self, subsegment: Any, error: BaseException) -> None:
        """Note what was raised."""
        if self.error:
            self._note(subsegment, "error", error)

    def _note(self, subsegment: Any, what: str, value: Any) -> None:
        with guard("Tracer"):
            subsegment.put_metadata(key=f"{self.name} {what}", value=value, namespace=self.tracer.service or "default")


def capture(function: Callable[..., Any], seen: Capture) -> Any:
    """Return a function that does what ``function`` does, inside of a subsegment."""
    inner = getattr(function, "__wrapped__", None)
    if is_coroutine(function):
        return _coroutine(function, seen)
    if is_generator(function):
        ours = isinstance(seen.tracer.provider, Provider)
        return _generator(function, seen) if ours else _their_generator(function, seen)
    if is_async_generator(function):
        return _async_generator(function, seen)
    if inner is not None and is_generator(inner):
        return _context_manager(function, seen)
    if inner is not None and is_async_generator(inner):
        return _async_context_manager(function, seen)
    return _plain(function, seen)


def _plain(function: Callable[..., Any], seen: Capture) -> Callable[..., Any]:
    @wraps(function)
    def captured(*args: Any, **kwargs: Any) -> Any:
        if seen.off:
            return function(*args, **kwargs)
        with seen.block() as subsegment:
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                seen.raised(subsegment, error)
                raise
            seen.returned(subsegment, result)
        return result

    return captured


def _coroutine(function: Callable[..., Any], seen: Capture) -> Callable[..., Any]:
    @wraps(function)
    async def captured(*args: Any, **kwargs: Any) -> Any:
        if seen.off:
            return await function(*args, **kwargs)
        async with seen.async_block() as subsegment:
            try:
                result = await function(*args, **kwargs)
            except Exception as error:
                seen.raised(subsegment, error)
                raise
            seen.returned(subsegment, result)
        return result

    return captured


def _generator(function: Callable[..., Any], seen: Capture) -> Callable[..., Any]:
    """Between two of its items the span is not current: the caller's own spans are not below it."""

    @wraps(function)
    def captured(*args: Any, **kwargs: Any) -> Any:
        if seen.off:
            return (yield from function(*args, **kwargs))
        stretch = _begin(seen)
        assert stretch.span is not None
        subsegment = Subsegment(stretch.span)
        try:
            with stretch:
                generator = function(*args, **kwargs)
            result = yield from _Stepwise(generator, stretch)
        except BaseException as error:
            if isinstance(error, Exception):
                seen.raised(subsegment, error)
            stretch.end(error)
            raise
        seen.returned(subsegment, result)
        stretch.end(None)
        return result

    return captured


def _their_generator(function: Callable[..., Any], seen: Capture) -> Callable[..., Any]:
    @wraps(function)
    def captured(*args: Any, **kwargs: Any) -> Any:
        if seen.off:
            return (yield from function(*args, **kwargs))
        with seen.block() as subsegment:
            try:
                result = yield from function(*args, **kwargs)
            except Exception as error:
                seen.raised(subsegment, error)
                raise
            seen.returned(subsegment, result)
        return result

    return captured


def _async_generator(function: Callable[..., Any], seen: Capture) -> Callable[..., Any]:
    """Powertools ends the subsegment of these before they have begun. They return nothing, so nothing is noted."""
    from obsv.hotpath.around import Call
    from obsv.hotpath.span import SCOPE
    from obsv.hotpath.wrap import wrap

    traced = wrap(function, Call(SCOPE, f"## {seen.name}", 0), False)

    @wraps(function)
    async def captured(*args: Any, **kwargs: Any) -> Any:
        items = function(*args, **kwargs) if seen.off else traced(*args, **kwargs)
        try:
            sent: Any = None
            while True:
                item = await items.asend(sent)
                sent = yield item
        except StopAsyncIteration:
            return
        finally:
            await items.aclose()

    return captured if not isinstance(seen.tracer.provider, Provider) else traced


def _context_manager(function: Callable[..., Any], seen: Capture) -> Callable[..., Any]:
    from contextlib import contextmanager

    @wraps(function)
    @contextmanager
    def captured(*args: Any, **kwargs: Any) -> Any:
        if seen.off:
            with function(*args, **kwargs) as value:
                yield value
            return
        with seen.block() as subsegment:
            try:
                with function(*args, **kwargs) as value:
                    yield value
            except Exception as error:
                seen.raised(subsegment, error)
                raise
            seen.returned(subsegment, value)

    return captured


def _async_context_manager(function: Callable[..., Any], seen: Capture) -> Callable[..., Any]:
    from contextlib import asynccontextmanager

    @wraps(function)
    @asynccontextmanager
    async def captured(*args: Any, **kwargs: Any) -> Any:
        if seen.off:
            async with function(*args, **kwargs) as value:
                yield value
            return
        async with seen.async_block() as subsegment:
            try:
                async with function(*args, **kwargs) as value:
                    yield value
            except Exception as error:
                seen.raised(subsegment, error)
                raise
            seen.returned(subsegment, value)

    return captured


def _begin(seen: Capture) -> _Stretch:
    block = InSubsegment(f"## {seen.name}")
    try:
        stretch = _Stretch(block.open())
        block.begun()
        return stretch
    finally:
        block.leave()
