"""Fields that every log record of a stretch of work carries, whoever logs it: ``obsv.log_context(order=7)``.

They live in a context variable, so each task and each thread has its own, and what is awaited or called inside sees
them. Each block holds what was there before it, and puts exactly that back when it ends.
"""

from __future__ import annotations

from _contextvars import ContextVar

from ..hotpath import faults
from ..hotpath.errors import safe_text
from . import outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from types import TracebackType
    from typing import Any, TypeVar

    from ..hotpath.records import LogRecord

    Function = TypeVar("Function", bound=Callable[..., Any])

CORRELATION_ID = "correlation_id"
"""The field that names the request a record belongs to."""

MAX_ID = 256
"""Characters of a correlation id that are kept: it comes from outside."""

_COROUTINE, _GENERATOR, _ASYNC_GENERATOR = 0x80, 0x20, 0x200  # flags of code objects


class _Layer:
    """All fields in force inside of one block.

    Attributes:
        fields: Those of the block, and of all around it. Never changed.
        before: What was there before it, or None.
        owner: Who put it there.
    """

    __slots__ = ("before", "fields", "owner")

    def __init__(self, fields: dict[str, Any], before: _Layer | None, owner: object) -> None:
        self.fields = fields
        self.before = before
        self.owner = owner


_layer: ContextVar[_Layer | None] = ContextVar("obsv_log_context", default=None)


def _push(fields: dict[str, Any], owner: object) -> None:
    before = _layer.get()
    _layer.set(_Layer({**before.fields, **fields} if before is not None else fields, before, owner))
    if not outlet.has_stage(outlet.CONTEXT):
        outlet.stage(outlet.CONTEXT, add_fields)


def _pop(owner: object) -> None:
    """Take back the innermost layer of this owner, and what was left above it by blocks that never ended here."""
    layer = _layer.get()
    while layer is not None and layer.owner is not owner:
        layer = layer.before
    if layer is not None:  # else the block ends in another context than it began in
        _layer.set(layer.before)


def add_fields(record: LogRecord) -> LogRecord:
    """Give a record the fields of its context; those of the call and of ``bind`` win."""
    layer = _layer.get()
    if layer is not None:
        record.fields = {**layer.fields, **record.fields} if record.fields else layer.fields
    return record


class log_context:  # noqa: N801 - reads as a word: `with obsv.log_context(order=7):`
    """Give all log records of a block, or of each call of a function, more fields.

    Fields of an inner block hide those of an outer one by the same name until it ends; fields of ``bind`` and of the
    call itself hide both. It holds for records of every logger (obsv's, ``logging``, structlog, loguru).

    Args:
        fields: Values of any type.

    Example:
        >>> with obsv.log_context(order=7):
        ...     log.info("paid")
        >>> @obsv.log_context(job="nightly")
        ... async def clean(): ...

    ``async with`` does the same. One object may be used again, in several tasks and threads at once.
    """

    __slots__ = ("_fields",)

    def __init__(self, /, **fields: object) -> None:
        self._fields = fields

    def __enter__(self) -> None:
        _push(self._fields, self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _pop(self)

    async def __aenter__(self) -> None:
        _push(self._fields, self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _pop(self)

    def __call__(self, function: Function) -> Function:
        """Decorate a function, coroutine function or (async) generator function. Anything else stays as it is."""
        if isinstance(function, (type, classmethod)):
            name = safe_text(getattr(function, "__qualname__", function))
            faults.tell(f"@log_context is for functions and methods (below @classmethod); {name} is left as it is")
            return function
        try:
            return _decorated(self._fields, function)  # type: ignore[return-value]
        except Exception as error:  # noqa: BLE001 - an object that can be called, whatever else it does
            faults.report("@log_context", error)
            return function


def _decorated(fields: dict[str, Any], function: Callable[..., Any]) -> Callable[..., Any]:
    from functools import wraps

    flags = getattr(getattr(function, "__code__", None), "co_flags", 0)
    if flags & _COROUTINE:

        @wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            mine = object()
            _push(fields, mine)
            try:
                return await function(*args, **kwargs)
            finally:
                _pop(mine)

        return coroutine
    if flags & _GENERATOR:

        @wraps(function)
        def generator(*args: Any, **kwargs: Any) -> Any:
            return (yield from _steps(fields, function(*args, **kwargs)))

        return generator
    if flags & _ASYNC_GENERATOR:

        @wraps(function)
        async def async_generator(*args: Any, **kwargs: Any) -> Any:
            steps = _async_steps(fields, function(*args, **kwargs))
            try:
                sent = None
                while True:
                    try:
                        value = await steps.asend(sent)
                    except StopAsyncIteration:
                        return
                    try:
                        sent = yield value
                    except GeneratorExit:
                        raise
                    except BaseException as error:  # noqa: BLE001 - thrown in: the function's own to handle
                        sent = _Thrown(error)
            finally:
                await steps.aclose()

        return async_generator

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        mine = object()
        _push(fields, mine)
        try:
            return function(*args, **kwargs)
        finally:
            _pop(mine)

    return call


class _Thrown:
    """An exception on its way into a generator."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def _steps(fields: dict[str, Any], inner: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Run a generator so that the fields are in force while it runs, and not in between, where its caller runs."""
    mine = object()
    step: Callable[..., Any] = inner.send
    argument: Any = None
    try:
        while True:
            _push(fields, mine)
            try:
                value = step(argument)
            except StopIteration as done:
                return done.value
            finally:
                _pop(mine)
            try:
                argument = yield value
                step = inner.send
            except GeneratorExit:
                raise
            except BaseException as error:  # noqa: BLE001 - thrown in: the function's own to handle
                argument, step = error, inner.throw
    finally:
        _push(fields, mine)
        try:
            inner.close()
        finally:
            _pop(mine)


async def _async_steps(fields: dict[str, Any], inner: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
    """Do the same for an asynchronous one."""
    mine = object()
    argument: Any = None
    try:
        while True:
            _push(fields, mine)
            try:
                if type(argument) is _Thrown:
                    value = await inner.athrow(argument.error)
                else:
                    value = await inner.asend(argument)
            except StopAsyncIteration:
                return
            finally:
                _pop(mine)
            argument = yield value
    finally:
        _push(fields, mine)
        try:
            await inner.aclose()
        finally:
            _pop(mine)


# ---------------------------------------------------------------------- correlation ids


def set_correlation_id(value: object) -> None:
    """Let the log records of this task or thread carry ``correlation_id``, from now on until its work or block ends.

    Inside a request that came with an id, or inside a ``log_context`` block, it lasts as long as that.

    Args:
        value: The id; its text is kept, 256 characters of it. None takes the id away.

    Example:
        >>> obsv.set_correlation_id(message["id"])
    """
    layer = _layer.get()
    fields = {} if layer is None else dict(layer.fields)
    fields.pop(CORRELATION_ID, None)
    if value is not None:
        fields[CORRELATION_ID] = _id(value)
    if layer is None:
        _push(fields, set_correlation_id)
    else:  # in place of the innermost block's fields, so that the end of the block ends it too
        _layer.set(_Layer(fields, layer.before, layer.owner))


def correlation_id() -> str | None:
    """Return the correlation id that records logged here carry, None without one."""
    layer = _layer.get()
    return None if layer is None else layer.fields.get(CORRELATION_ID)


def begin_request(value: str | None) -> object:
    """Let the records of a request carry the id that its headers name; returns what :func:`end_request` wants."""
    mine = object()
    _push({CORRELATION_ID: _id(value)}, mine)
    return mine


def end_request(mine: object) -> None:
    """End what :func:`begin_request` began."""
    _pop(mine)


def _id(value: object) -> str:
    return safe_text(value)[:MAX_ID]
