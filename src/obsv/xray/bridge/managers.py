"""``in_segment``, ``in_subsegment`` and ``capture``: context managers, async ones, and decorators."""

from __future__ import annotations

from functools import partial
from typing import Any

from obsv.hotpath import faults
from obsv.hotpath.around import Call
from obsv.hotpath.errors import safe_text
from obsv.hotpath.span import Span, current, new_span
from obsv.hotpath.wrap import wrap, wraps

from . import segments
from .current import BEFORE, KIND, SCOPE, now, record_of
from .words import SUBSEGMENT_RECORDING_ATTRIBUTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from .recorder import AWSXRayRecorder

_COROUTINE, _GENERATOR, _ASYNC_GENERATOR = 0x80 | 0x100, 0x20, 0x200


class SegmentContextManager:
    """A segment around a block."""

    def __init__(self, recorder: AWSXRayRecorder, name: str | None = None, **segment_kwargs: Any) -> None:
        self.name = name
        self.segment_kwargs = segment_kwargs
        self.recorder = recorder
        self.segment: Any = None

    def __enter__(self) -> Any:
        self.segment = self.recorder.begin_segment(name=self.name, **self.segment_kwargs)
        return self.segment

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _leave(self.segment, error)


class SubsegmentContextManager:
    """A subsegment around a block, or around each call of a function.

    A coroutine function, a generator and an async generator are one subsegment until they are done; while a generator
    waits, its caller's entity is current.
    """

    def __init__(self, recorder: AWSXRayRecorder, name: str | None = None, **subsegment_kwargs: Any) -> None:
        self.name = name
        self.subsegment_kwargs = subsegment_kwargs
        self.recorder = recorder
        self.subsegment: Any = None

    def __enter__(self) -> Any:
        name = "subsegment" if self.name is None else self.name
        self.subsegment = self.recorder.begin_subsegment(name, **self.subsegment_kwargs)
        return self.subsegment

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _leave(self.subsegment, error)

    def __call__(self, function: Any) -> Any:
        if isinstance(function, (staticmethod, classmethod)):
            return type(function)(self(function.__func__))
        if isinstance(function, property) and function.fget is not None:
            return function.getter(self(function.fget))
        if isinstance(function, type) or not callable(function):
            faults.tell(
                f"xray_recorder.capture on {safe_text(function)[:80]} does nothing: functions and methods are "
                "captured, not classes or other values"
            )
            return function
        if getattr(function, SUBSEGMENT_RECORDING_ATTRIBUTE, False):
            return function
        made = self._around(function, self.name or getattr(function, "__name__", None) or type(function).__name__)
        setattr(made, SUBSEGMENT_RECORDING_ATTRIBUTE, True)
        return made

    def _around(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        manager = partial(type(self), self.recorder, name, **self.subsegment_kwargs)
        inner: Any = function
        while isinstance(inner, partial):
            inner = inner.func
        code = getattr(inner, "__code__", None) or getattr(type(inner).__call__, "__code__", None)
        flags = getattr(code, "co_flags", 0)
        if flags & (_GENERATOR | _ASYNC_GENERATOR) and not flags & _COROUTINE:
            return wrap(function, _Captured(SCOPE, safe_text(name), 0), False)

        if flags & _COROUTINE:

            @wraps(function)
            async def awaited(*args: Any, **kwargs: Any) -> Any:
                with manager():
                    return await function(*args, **kwargs)

            return awaited

        @wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with manager():
                return function(*args, **kwargs)

        return called


class _Captured(Call):
    """How a generator's span is made: as a subsegment that has begun, and ends by itself."""

    __slots__ = ()

    def make(self) -> Span:
        made = new_span(self.scope, self.name, self.kind)
        above = now()
        record_of(made).update({KIND: segments.Subsegment, BEFORE: current()})
        made.begin(above)
        return made


class AsyncSegmentContextManager(SegmentContextManager):
    """The same for ``async with``."""

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


class AsyncSubsegmentContextManager(SubsegmentContextManager):
    """The same for ``async with`` and coroutine functions."""

    async def __aenter__(self) -> Any:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def _leave(begun: Any, error: BaseException | None) -> None:
    """End what a block has begun, whatever is current by now.

    ``KeyboardInterrupt``, ``SystemExit`` and cancellation only end it: they are no failures.
    """
    if begun is not None:
        if isinstance(error, Exception):
            begun.add_exception(error, None)
        segments.end(begun)


def is_already_recording(function: Any) -> bool:
    """Tell whether calls of a function are subsegments already."""
    return bool(getattr(function, SUBSEGMENT_RECORDING_ATTRIBUTE, False))


for _class in (SegmentContextManager, SubsegmentContextManager):
    _class.__module__ = f"aws_xray_sdk.core.models.{_class.__name__.removesuffix('ContextManager').lower()}"
for _class in (AsyncSegmentContextManager, AsyncSubsegmentContextManager):
    _class.__module__ = "aws_xray_sdk.core.async_recorder"
