"""Contexts of aws-xray-sdk. obsv keeps what is current in a context variable, so these only pass on."""

from __future__ import annotations

from typing import Any

from . import words
from .current import in_lambda

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .recorder import AWSXRayRecorder

MISSING_SEGMENT_MSG = "cannot find the current segment/subsegment, please make sure you have a segment open"
SUPPORTED_CONTEXT_MISSING = ("RUNTIME_ERROR", "LOG_ERROR", "IGNORE_ERROR")
CXT_MISSING_STRATEGY_KEY = words.CONTEXT_MISSING_KEY


def _recorder() -> AWSXRayRecorder:
    from .recorder import xray_recorder

    return xray_recorder


class Context:
    """What is current, in the form of aws-xray-sdk's thread-local store."""

    def __init__(self, context_missing: str = "LOG_ERROR", **_: Any) -> None:
        self.context_missing = context_missing

    def put_segment(self, segment: Any) -> None:
        """Make a segment current."""
        _recorder().set_trace_entity(segment)

    put_subsegment = put_segment

    def end_segment(self, end_time: float | None = None) -> None:
        """End the current segment."""
        _recorder().end_segment(end_time)

    def end_subsegment(self, end_time: float | None = None) -> bool:
        """End the current subsegment; tells whether there was one."""
        found = _recorder().current_subsegment() is not None
        _recorder().end_subsegment(end_time)
        return found

    def get_trace_entity(self) -> Any:
        """Return what is current."""
        return _recorder().get_trace_entity()

    def set_trace_entity(self, trace_entity: Any) -> None:
        """Make an entity current."""
        _recorder().set_trace_entity(trace_entity)

    def clear_trace_entities(self) -> None:
        """Let nothing be current."""
        _recorder().clear_trace_entities()

    def handle_context_missing(self) -> None:
        """Do nothing: nothing is missing."""


class AsyncContext(Context):
    """The context for asyncio. It needs no loop and no task factory: context variables do that by themselves."""

    def __init__(self, *args: Any, loop: Any = None, use_task_factory: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class LambdaContext(Context):
    """The context in Lambda."""


def check_in_lambda() -> LambdaContext | None:
    """Return a context where this is a Lambda function, else None."""
    return LambdaContext() if in_lambda() else None


def task_factory(loop: Any, coro: Any, **options: Any) -> Any:
    """Make a task: it takes the current entity along by itself."""
    import asyncio

    return asyncio.Task(coro, loop=loop, **options)


class TaskLocalStorage:
    """Takes what a program's own context keeps; nothing of obsv's is in it."""

    def __init__(self, loop: Any = None) -> None:
        self._loop = loop

    def clear(self) -> None:
        """Forget it."""
        self.__dict__.clear()


Context.__module__ = "aws_xray_sdk.core.context"
AsyncContext.__module__ = TaskLocalStorage.__module__ = "aws_xray_sdk.core.async_context"
LambdaContext.__module__ = "aws_xray_sdk.core.lambda_launcher"
