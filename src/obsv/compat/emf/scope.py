"""A function with metrics of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from obsv.hotpath.wrap import _behind, wraps

from ..kinds import is_async_generator, is_coroutine, is_generator
from .config import get_config
from .logger.metrics_logger import MetricsLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def metric_scope(fn: Function, *, flush_on_yield: bool | None = None) -> Function: ...


@overload
def metric_scope(fn: None = None, *, flush_on_yield: bool | None = None) -> Callable[[Function], Function]: ...


def metric_scope(fn: Any = None, *, flush_on_yield: bool | None = None) -> Any:
    """Give each call of a function, coroutine function or generator a logger, as its parameter ``metrics``.

    The metrics are written when it returns or raises; those of a generator at each item too, unless ``flush_on_yield``
    is False.

    Example:
        >>> @metric_scope
        ... def handler(event, context, metrics):
        ...     metrics.put_metric("Latency", 12.5, "Milliseconds")
    """
    if flush_on_yield is None:
        flush_on_yield = get_config().default_flush_on_yield
    if fn is None:
        return lambda function: _scoped(function, flush_on_yield)
    return _scoped(fn, flush_on_yield)


def _scoped(function: Callable[..., Any], flush_on_yield: bool) -> Callable[..., Any]:
    wanted = _takes_metrics(function)

    def begin(kwargs: dict[str, Any]) -> MetricsLogger:
        logger = MetricsLogger()
        if wanted:
            kwargs["metrics"] = logger
        return logger

    if is_async_generator(function):

        @wraps(function)
        async def async_items(*args: Any, **kwargs: Any) -> Any:
            logger = begin(kwargs)
            items = function(*args, **kwargs)
            sent: Any = None
            thrown: BaseException | None = None
            try:
                while True:
                    error, thrown = thrown, None
                    item = await (items.asend(sent) if error is None else items.athrow(error))
                    sent = None
                    if flush_on_yield:
                        logger.flush_sync()
                    try:
                        sent = yield item
                    except GeneratorExit:
                        raise
                    except BaseException as raised:  # noqa: BLE001 - what the caller throws in is the generator's
                        thrown = raised
            except StopAsyncIteration:
                pass
            finally:
                await items.aclose()
                logger.flush_sync()

        return async_items

    if is_generator(function):

        @wraps(function)
        def items(*args: Any, **kwargs: Any) -> Any:
            logger = begin(kwargs)
            try:
                generator = function(*args, **kwargs)
                return (yield from _Flushing(generator, logger) if flush_on_yield else generator)
            finally:
                logger.flush_sync()

        return items

    if is_coroutine(function):

        @wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            logger = begin(kwargs)
            try:
                return await function(*args, **kwargs)
            finally:
                logger.flush_sync()

        return awaited

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        logger = begin(kwargs)
        try:
            return function(*args, **kwargs)
        finally:
            logger.flush_sync()

    return called


class _Flushing:
    """Iterates a generator and flushes at each item; ``yield from`` forwards send, throw and close to it."""

    __slots__ = ("_generator", "_logger")

    def __init__(self, generator: Any, logger: MetricsLogger) -> None:
        self._generator = generator
        self._logger = logger

    def __iter__(self) -> _Flushing:
        return self

    def __next__(self) -> Any:
        return self._flushed(next(self._generator))

    def send(self, value: Any) -> Any:
        return self._flushed(self._generator.send(value))

    def throw(self, error: Any, *rest: Any) -> Any:
        return self._flushed(self._generator.throw(error, *rest))

    def close(self) -> None:
        self._generator.close()

    def _flushed(self, item: Any) -> Any:
        self._logger.flush_sync()
        return item


def _takes_metrics(function: Any) -> bool:
    """Tell whether the function, behind a partial and other people's decorators, has a parameter ``metrics``."""
    while isinstance(function, partial):
        function = function.func
    code = getattr(_behind(getattr(function, "__func__", function)), "__code__", None)
    if code is None:  # an object that can be called
        code = getattr(type(function).__call__, "__code__", None)
    if code is None:
        return False
    return "metrics" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
