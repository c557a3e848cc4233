"""structlog: its events leave through obsv's sinks as well, with the span's ids; what the program renders stays.

An event is taken when the program's processors have seen it (so what they mask is masked) and before the last of
them, which renders it. Where structlog stands on ``logging``, the rendered record comes through there, with its
levels and handlers: then the handler on the root logger is told what the record stands for, and it leaves once.
"""

from __future__ import annotations

import logging
import sys

# Here, not where they are used: a child that is forked in the midst of a first import would wait for it for ever.
from ..hotpath.errors import ErrorInfo, safe_text
from ..logs import bridge, handler, outlet
from ._api import Patch, guard, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

patch = Patch("structlog", requires="structlog >= 21.1")

_NUMBERS = {
    "trace": 5, "debug": 10, "info": 20, "msg": 20, "log": 20, "notset": 5, "warning": 30, "warn": 30, "error": 40,
    "err": 40, "exception": 40, "failure": 40, "critical": 50, "fatal": 50,
}  # fmt: skip
_WORDS = {5: "TRACE", 10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}

_RENDERED = frozenset(("timestamp", "level", "level_number", "exception", "logger", "exc_info", "event", "_record"))
"""What processors add to an event of which obsv's record says the same."""

_MAX_FRAMES = 32  # between a call and its caller's own frame


class _View:
    """A bound logger with one more processor, which sees the event as it goes to the last of the program's own."""

    __slots__ = ("_bound", "_processors", "seen")

    def __init__(self, bound: Any) -> None:
        self._bound = bound
        self.seen: dict[str, Any] | None = None
        processors = list(bound._processors)
        self._processors = [*processors[:-1], self._look, *processors[-1:]]

    def _look(self, logger: Any, name: str, event: Any) -> Any:
        if isinstance(event, dict):
            self.seen = dict(event)
        return event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bound, name)


@patch.wrap("structlog._base:BoundLoggerBase._process_event")
def process_event(wrapped: Any, bound: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Take the event. A wrapper, because there is nothing to time, and because it has to be seen halfway through."""
    view: Any = None
    with guard("patch structlog"):
        if _captured():
            view = _View(bound)
    if view is None:
        return wrapped(*args, **kwargs)
    rendered = wrapped.__func__(view, *args, **kwargs)  # raises DropEvent where a processor drops it
    with guard("patch structlog"):
        method = args[0] if args else kwargs.get("method_name")
        given = args[2] if len(args) > 2 else kwargs.get("event_kw") or {}
        _take(bound, str(method), given, view.seen, rendered)
    return rendered


@patch.wrap("structlog._base:BoundLoggerBase._proxy_to_logger")
def proxy(wrapped: Callable[..., Any], bound: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Forget what was announced to ``logging``, where it let the record fall. A wrapper: there is nothing to time."""
    try:
        return wrapped(*args, **kwargs)
    finally:
        handler.announce(None, None)


def _captured() -> bool:
    chosen: Any = settings()
    return bool(chosen.log_capture)


def _take(bound: Any, method: str, given: Any, seen: dict[str, Any] | None, rendered: Any) -> None:
    """Let the event out, or announce it to the handler of ``logging``."""
    if seen is None or not outlet.open_to():
        return
    own = bound._context.keys() | given.keys()
    fields = {name: value for name, value in seen.items() if name not in _RENDERED or (name in own and name != "event")}
    error = _error(fields.pop("exc_info", None) or given.get("exc_info"), method)
    if error is not None:
        fields.pop("exception", None)
    message = seen.get("event")
    body = message if type(message) is str else "" if message is None else safe_text(message)
    code, module = _caller()
    if _is_standard(bound._logger):
        captured = None if error is None else ErrorInfo.capture(error)
        handler.announce(_msg(rendered), handler.Event(body, fields or None, captured, code))
        return
    number = _NUMBERS.get(method, 20)
    level = settings().log_level
    if number < bridge.wanted(level):
        return
    name = seen.get("logger") or getattr(bound._logger, "name", None)
    bridge.let_out(
        number=number,
        level=_WORDS[number],
        body=body,
        logger=name if type(name) is str else module,
        fields=fields or None,
        error=error,
        code=code,
        below=number < bridge.lowest(level),
    )


def _msg(rendered: Any) -> Any:
    """Return what will be the ``msg`` of the record that ``logging`` makes."""
    args, kwargs = rendered
    return args[0] if args else kwargs.get("msg")


def _is_standard(logger: Any) -> bool:
    return isinstance(logger, (logging.Logger, logging.LoggerAdapter))


def _error(given: Any, method: str) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if len(given) == 3 and isinstance(given[1], BaseException) else None
    return sys.exception() if given or method == "exception" else None


def _caller() -> tuple[tuple[str, int, str] | None, str]:
    """Return the place of the call and its module's name: the first frame that is neither structlog's nor ours."""
    frame: Any = sys._getframe(2)
    calling: Any = getattr(sys.modules.get("structlog.contextvars"), "_ASYNC_CALLING_STACK", None)
    if calling is not None:  # of `await logger.ainfo()`: its work is done in another thread
        frame = calling.get(frame)
    for _ in range(_MAX_FRAMES):
        module = frame.f_globals.get("__name__") or "structlog"
        if not module.startswith(("structlog.", "obsv.")):
            return (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name), module
        if frame.f_back is None:
            break
        frame = frame.f_back
    return None, "structlog"
